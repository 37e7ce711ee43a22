create function api.careless_value()
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_permission('core.partner.hold');
  return 1;
end
$$;
