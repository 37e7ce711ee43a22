-- Triggers of document lines: only those of a draft change, and the document knows their number and total.

create or replace function wms.tg_document_line__maintain()
returns trigger
language plpgsql
as $$
declare
  v_document record;
begin
  -- The lock in the order of ids keeps a posting out until this transaction ends, and never deadlocks with another.
  for v_document in
    select d.org_id, d.id, d.status
    from wms.document as d
    where (d.org_id, d.id) in (select c.org_id, c.document_id from changed as c)
    order by d.org_id, d.id
    for no key update
  loop
    if v_document.status <> 'DRAFT' then
      perform core.raise_error(
        'wms.document_frozen', jsonb_build_object('id', v_document.id, 'status', v_document.status)
      );
    end if;
  end loop;

  update wms.document as d
  set
    line_count = s.line_count,
    total = s.total
  from (
    select c.org_id, c.document_id, count(l.id)::integer as line_count, coalesce(sum(l.amount), 0) as total
    from (select distinct x.org_id, x.document_id from changed as x) as c
    left join wms.document_line as l
      on l.org_id = c.org_id
      and l.document_id = c.document_id
    group by c.org_id, c.document_id
  ) as s
  where d.org_id = s.org_id
    and d.id = s.document_id
    and (d.line_count, d.total) is distinct from (s.line_count, s.total);

  return null;
end
$$;

comment on function wms.tg_document_line__maintain() is
  'Refuses to change lines of a document that is no draft, and keeps line_count and total of the document.';

create or replace trigger document_line_maintain_insert
after insert on wms.document_line
referencing new table as changed
for each statement
execute function wms.tg_document_line__maintain();

create or replace trigger document_line_maintain_delete
after delete on wms.document_line
referencing old table as changed
for each statement
execute function wms.tg_document_line__maintain();

create or replace function wms.tg_document_line__refuse()
returns trigger
language plpgsql
as $$
begin
  perform core.raise_error('wms.line_unchangeable');
  return null;
end
$$;

comment on function wms.tg_document_line__refuse() is 'Lines are replaced, not changed: refuses every UPDATE.';

create or replace trigger document_line_refuse_update
before update on wms.document_line
for each row
execute function wms.tg_document_line__refuse();
