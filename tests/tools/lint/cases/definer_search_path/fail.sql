create function core.careless_value()
returns integer
language sql
stable
parallel safe
security definer
set search_path = pg_catalog
return 1;
