-- Trigger of tables with a time zone.

create or replace function core.tg_row__check_time_zone()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if new.time_zone is null then
    return new;
  end if;
  -- Names only: PostgreSQL would also take POSIX rules (XYZ5) and abbreviations, which have no daylight saving.
  if new.time_zone !~ '^(UTC|Etc/GMT[+-][0-9]{1,2}|[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+)$' then
    perform core.raise_error('core.time_zone_unknown', jsonb_build_object('time_zone', new.time_zone));
  end if;
  begin
    perform now() at time zone new.time_zone;
  exception
    when invalid_parameter_value then
      perform core.raise_error('core.time_zone_unknown', jsonb_build_object('time_zone', new.time_zone));
  end;
  return new;
end
$$;

comment on function core.tg_row__check_time_zone() is
  'BEFORE INSERT OR UPDATE OF time_zone: it must be a name of the IANA time zone database, else '
  'core.time_zone_unknown (422)';
