create function core.careless_value()
returns integer
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
return 1;
