-- The business date.

create or replace function core.today()
returns date
language plpgsql
stable
parallel safe
as $$
declare
  v_time_zone text;
begin
  select o.time_zone into v_time_zone from core.organization as o where o.id = core.org_id();
  return (now() at time zone coalesce(v_time_zone, 'UTC'))::date;
end
$$;

comment on function core.today() is 'Today in the time zone of the organisation (UTC when there is none)';

grant execute on function core.today() to partner, member, superadmin, analyst, migrator;
