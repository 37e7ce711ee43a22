create function core.careless_partners()
returns setof api.partners
language sql
stable
parallel safe
begin atomic
  select * from api.partners;
end;
create function core.careless_names(partners api.partners[])
returns integer
language sql
immutable
parallel safe
return cardinality(partners);
