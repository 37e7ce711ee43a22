-- Has anybody changed the row since the caller read it?

create or replace function core.check_version(table_name text, version integer, current_version integer)
returns void
language plpgsql
volatile
parallel safe
as $$
begin
  if check_version.version is not null and check_version.version is distinct from check_version.current_version then
    perform core.raise_error(
      'core.stale_version',
      jsonb_build_object(
        'table', check_version.table_name, 'version', check_version.version, 'current_version', check_version.current_version
      )
    );
  end if;
end
$$;

comment on function core.check_version(text, integer, integer) is
  'Raise core.stale_version (412) unless version is null or that of the row, which the caller holds locked; current_version '
  'null: there is no such row.';

grant execute on function core.check_version(text, integer, integer) to member, superadmin, migrator;
