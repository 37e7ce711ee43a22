-- Notes which transaction changed a table; made for tables that write no events by core.ensure_sources.

-- Definer: nobody else may write there. The argument is the list of sources.
create or replace function core.tg_row__note_insert()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.data_change (org_id, source, xid)
  select coalesce(r.org_id, '00000000-0000-0000-0000-000000000000'), s.source, pg_current_xact_id()
  from (select distinct n.org_id from new_rows as n) as r
  cross join unnest(tg_argv) as s (source)
  on conflict do nothing;
  return null;
end
$$;

comment on function core.tg_row__note_insert() is 'AFTER INSERT: notes the change in core.data_change, for each organisation';

-- Definer: as the one before.
create or replace function core.tg_row__note_update()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.data_change (org_id, source, xid)
  select coalesce(r.org_id, '00000000-0000-0000-0000-000000000000'), s.source, pg_current_xact_id()
  from (select n.org_id from new_rows as n union select o.org_id from old_rows as o) as r
  cross join unnest(tg_argv) as s (source)
  on conflict do nothing;
  return null;
end
$$;

comment on function core.tg_row__note_update() is 'AFTER UPDATE: notes the change in core.data_change, for each organisation';

-- Definer: as the one before.
create or replace function core.tg_row__note_delete()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.data_change (org_id, source, xid)
  select coalesce(r.org_id, '00000000-0000-0000-0000-000000000000'), s.source, pg_current_xact_id()
  from (select distinct o.org_id from old_rows as o) as r
  cross join unnest(tg_argv) as s (source)
  on conflict do nothing;
  return null;
end
$$;

comment on function core.tg_row__note_delete() is 'AFTER DELETE: notes the change in core.data_change, for each organisation';

-- Definer: as those before. Of no organisation, hence of interest to all. What it is noted as besides (rights) concerns every
-- answer.
create or replace function core.tg_row__note_shared()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.data_change (org_id, source, xid)
  values ('00000000-0000-0000-0000-000000000000', tg_argv[0], pg_current_xact_id())
  on conflict do nothing;
  if tg_nargs > 1 then
    perform core.renew_api_sources();
  end if;
  return null;
end
$$;

comment on function core.tg_row__note_shared() is
  'AFTER INSERT, UPDATE, DELETE of a table without organisation: notes the change in core.data_change';

-- Definer: as those before.
create or replace function core.tg_row__note_truncate()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.renew_api_sources();
  return null;
end
$$;

comment on function core.tg_row__note_truncate() is
  'AFTER TRUNCATE, which does not say whose rows went: all answers have another tag from now on';

create or replace function core.renew_api_sources()
returns void
language sql
volatile
parallel unsafe
begin atomic
  update core.api_source as a
  set revision = pg_current_xact_id()::text
  where a.revision <> pg_current_xact_id()::text;
end;

comment on function core.renew_api_sources() is 'Give all answers of the API another tag from the commit of this transaction on';

grant execute on function core.renew_api_sources() to migrator;
