-- Trigger of every table with a version: lost updates are refused, identity stays.

create or replace function core.tg_row__touch()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if new.version <> old.version then
    perform core.raise_error(
      'core.stale_version',
      jsonb_build_object('table', tg_table_name, 'version', new.version, 'current_version', old.version)
    );
  end if;
  -- Without arguments the key is (org_id, id); with arguments it is these columns.
  if tg_nargs = 0 then
    if (new.org_id, new.id) is distinct from (old.org_id, old.id) then
      perform core.raise_error('core.immutable_column', jsonb_build_object('table', tg_table_name));
    end if;
  elsif exists (
    select from unnest(tg_argv) as k where (to_jsonb(new) -> k) is distinct from (to_jsonb(old) -> k)
  ) then
    perform core.raise_error('core.immutable_column', jsonb_build_object('table', tg_table_name));
  end if;
  if (new.created_at, new.created_by) is distinct from (old.created_at, old.created_by) then
    perform core.raise_error('core.immutable_column', jsonb_build_object('table', tg_table_name));
  end if;
  -- A back-fill of a migration changes the form of a row, not what it says: whoever read it has read it right.
  if session_user = 'migrator' and current_setting('erpgres.backfill', true) = 'on' then
    return new;
  end if;
  new.version := old.version + 1;
  new.updated_at := now();
  new.updated_by := core.user_id();
  return new;
end
$$;

comment on function core.tg_row__touch() is
  'BEFORE UPDATE: a version other than the row''s is core.stale_version (412); key (arguments, default org_id and '
  'id), created_at and created_by cannot change; version, updated_at and updated_by are set, but by a back-fill';
