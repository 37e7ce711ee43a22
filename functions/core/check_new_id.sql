-- Refuses an id for which a partitioned table has no place.

-- Definer: who inserts need not see how tables are partitioned.
create or replace function core.check_new_id(table_name text, id uuid)
returns void
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_period text;
  v_at timestamptz;
begin
  select p.period into strict v_period from ops.partition_policy as p where p.table_name = check_new_id.table_name;
  if uuid_extract_version(check_new_id.id) = 7 then
    v_at := uuid_extract_timestamp(check_new_id.id);
  end if;
  if v_at is null or to_regclass(ops.partition_name(check_new_id.table_name, v_period, v_at)) is null then
    perform core.raise_error('core.id_out_of_range', jsonb_build_object('id', check_new_id.id, 'at', v_at));
  end if;
end
$$;

comment on function core.check_new_id(text, uuid) is
  'Raise core.id_out_of_range (400) when id is no version 7 UUID or no partition of the table (schema.name) takes '
  'it: most often the clock of the client is wrong';

grant execute on function core.check_new_id(text, uuid) to partner, member, superadmin, migrator;
