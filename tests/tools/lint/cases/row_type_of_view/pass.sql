create function core.careful_partners(partners core.partner[])
returns setof core.partner
language sql
stable
parallel safe
begin atomic
  select p.* from unnest(partners) as p;
end;
create function api.careful_partners()
returns setof api.partners
language sql
stable
parallel safe
begin atomic
  select * from api.partners;
end;
