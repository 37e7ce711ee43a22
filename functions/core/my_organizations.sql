-- Where a user may work.

create or replace function core.my_organizations()
returns jsonb
language plpgsql
stable
parallel safe
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'code', o.code, 'name', o.name) order by o.code), '[]')
    from core.membership as m
    join core.organization as o on o.id = m.org_id
    where m.user_id = core.user_id() and m.is_active and o.is_active
  );
end
$$;

comment on function core.my_organizations() is
  'The organisations (id, code, name) that the user of the claims is an active member of, by code';
