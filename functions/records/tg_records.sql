-- Triggers of the records: allowed steps, expected versions, and due dates that follow from documents and classes.

create or replace trigger touch
before update on records.retention_class
for each row
execute function core.tg_row__touch();

create or replace trigger touch
before update on records.document
for each row
execute function core.tg_row__touch();

create or replace trigger touch
before update on records.crate
for each row
execute function core.tg_row__touch();

create or replace trigger touch
before update on records.request
for each row
execute function core.tg_row__touch();

create or replace trigger guard_status
before insert or update of status on records.document
for each row
execute function core.tg_row__guard_status('records.document');

create or replace trigger guard_status
before insert or update of status on records.crate
for each row
execute function core.tg_row__guard_status('records.crate');

-- Each kind of request has its own steps.
create or replace trigger guard_status_storage
before insert or update of status on records.request
for each row
when (new.kind = 'STORAGE')
execute function core.tg_row__guard_status('records.storage');

create or replace trigger guard_status_withdrawal
before insert or update of status on records.request
for each row
when (new.kind = 'WITHDRAWAL')
execute function core.tg_row__guard_status('records.withdrawal');

create or replace trigger guard_status_destruction
before insert or update of status on records.request
for each row
when (new.kind = 'DESTRUCTION')
execute function core.tg_row__guard_status('records.destruction');

create or replace trigger guard_status_transfer
before insert or update of status on records.request
for each row
when (new.kind = 'TRANSFER')
execute function core.tg_row__guard_status('records.transfer');

create or replace function records.tg_request__keep()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('core.immutable_column', jsonb_build_object('table', 'request'));
  return null;
end
$$;

comment on function records.tg_request__keep() is
  'Refuses another kind, crate, unit or requester of a request, and other wishes once it was decided.';

create or replace trigger keep
before update on records.request
for each row
when (
  (old.kind, old.crate_id, old.unit_id, old.requested_by) is distinct from (new.kind, new.crate_id, new.unit_id, new.requested_by)
  or (
    old.status not in ('DRAFT', 'SENT_BACK', 'PENDING')
    and (old.is_full, old.target_unit_id, old.purpose, old.expected_return_on)
    is distinct from (new.is_full, new.target_unit_id, new.purpose, new.expected_return_on)
  )
)
execute function records.tg_request__keep();

create or replace function records.tg_document__keep_due()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if tg_op = 'UPDATE' and old.status = 'DESTROYED' then
    perform core.raise_error('records.document_destroyed', jsonb_build_object('number', old.document_number));
  end if;
  new.dated_on := coalesce(new.dated_on, core.today());
  new.due_on := (
    select (
      case c.counts_from when 'CREATED' then new.dated_on when 'CLOSED' then new.closed_on else new.event_on end
      + make_interval(years => c.years)
    )::date
    from records.retention_class as c
    where c.org_id = new.org_id
      and c.id = new.retention_class_id
  );
  return new;
end
$$;

comment on function records.tg_document__keep_due() is
  'Sets dated_on (today) and due_on by the class of the document, and refuses changes of a destroyed one.';

create or replace trigger keep_due
before insert or update on records.document
for each row
execute function records.tg_document__keep_due();

create or replace function records.tg_document__refresh_crates()
returns trigger
language plpgsql
volatile
parallel unsafe
-- definer: who changes a document need not be able to write crates
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('erpgres.org_id', true), '');
  v_org uuid;
begin
  -- The tools change documents of any organisation, and of several at once.
  for v_org in
    select distinct n.org_id
    from new_rows as n
    inner join old_rows as o
      on o.org_id = n.org_id
      and o.id = n.id
    where (o.due_on, o.retention_class_id) is distinct from (n.due_on, n.retention_class_id)
  loop
    perform set_config('erpgres.org_id', v_org::text, true);
    perform records.refresh_crates(
      array(
        select distinct d.crate_id
        from new_rows as n
        inner join old_rows as o
          on o.org_id = n.org_id
          and o.id = n.id
        inner join records.crate_document as d
          on d.org_id = n.org_id
          and d.document_id = n.id
          and d.removed_at is null
        where n.org_id = v_org
          and (o.due_on, o.retention_class_id) is distinct from (n.due_on, n.retention_class_id)
      )
    );
    perform set_config('erpgres.org_id', v_before, true);
  end loop;
  return null;
end
$$;

comment on function records.tg_document__refresh_crates() is 'Crates follow when documents become due on other days.';

create or replace trigger refresh_crates
after update on records.document
referencing old table as old_rows new table as new_rows
for each statement
execute function records.tg_document__refresh_crates();

create or replace function records.tg_retention_class__refresh()
returns trigger
language plpgsql
volatile
parallel unsafe
-- definer: who changes a class need not be able to change all its documents
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('erpgres.org_id', true), '');
begin
  -- The tools change classes of any organisation.
  perform set_config('erpgres.org_id', new.org_id::text, true);
  -- Each document looks up its class again.
  update records.document as d
  set due_on = null
  where d.org_id = new.org_id
    and d.retention_class_id = new.id
    and d.status = 'ACTIVE';
  perform records.refresh_crates(
    array(
      select distinct c.crate_id
      from records.document as d
      inner join records.crate_document as c
        on c.org_id = d.org_id
        and c.document_id = d.id
        and c.removed_at is null
      where d.org_id = new.org_id
        and d.retention_class_id = new.id
    )
  );
  perform set_config('erpgres.org_id', v_before, true);
  return null;
end
$$;

comment on function records.tg_retention_class__refresh() is 'Documents and crates follow when their class changes.';

create or replace trigger refresh
after update on records.retention_class
for each row
when ((old.years, old.counts_from, old.disposal) is distinct from (new.years, new.counts_from, new.disposal))
execute function records.tg_retention_class__refresh();
