-- Triggers of document lines: only those of a draft change, and the document knows their number and total.

create or replace function wms.tg_document_line__maintain()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_changed record;
  v_document record;
begin
  -- One document after the other, in the order of their ids: its lock keeps a posting out until this transaction ends,
  -- and two sessions wait for each other one way only.
  for v_changed in select distinct c.org_id, c.document_id from changed as c order by c.org_id, c.document_id loop
    select d.status
    into v_document
    from wms.document as d
    where d.org_id = v_changed.org_id
      and d.id = v_changed.document_id
    for no key update;

    if v_document.status not in ('DRAFT', 'POSTING') then
      perform core.raise_error(
        'wms.document_frozen', jsonb_build_object('id', v_changed.document_id, 'status', v_document.status)
      );
    end if;

    update wms.document as d
    set
      line_count = s.line_count,
      total = s.total
    from (
      select count(*)::integer as line_count, coalesce(sum(l.amount), 0) as total
      from wms.document_line as l
      where l.org_id = v_changed.org_id
        and l.document_id = v_changed.document_id
    ) as s
    where d.org_id = v_changed.org_id
      and d.id = v_changed.document_id
      and (d.line_count, d.total) is distinct from (s.line_count, s.total);
  end loop;

  return null;
end
$$;

comment on function wms.tg_document_line__maintain() is
  'Refuses to change lines of a document that is no draft, and keeps line_count and total of the document.';

create or replace trigger maintain_insert
after insert on wms.document_line
referencing new table as changed
for each statement
execute function wms.tg_document_line__maintain();

create or replace trigger maintain_delete
after delete on wms.document_line
referencing old table as changed
for each statement
execute function wms.tg_document_line__maintain();

create or replace function wms.tg_document_line__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('wms.line_unchangeable');
  return null;
end
$$;

comment on function wms.tg_document_line__refuse() is 'Lines are replaced, not changed: refuses every UPDATE.';

create or replace trigger refuse_update
before update on wms.document_line
for each row
execute function wms.tg_document_line__refuse();
