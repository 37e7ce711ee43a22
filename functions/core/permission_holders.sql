-- Who holds a permission: core.has_permission asked the other way round.

create or replace function core.permission_holders(org_id uuid, permission text, unit_id uuid default null)
returns table (user_id uuid)
language sql
stable
parallel safe
begin atomic
  select distinct u.user_id
  from core.user_role as u
  join core.role as r on r.org_id = u.org_id and r.id = u.role_id
  where u.org_id = permission_holders.org_id
    and (
      (r.is_administrator and not core.is_duty(permission_holders.permission))
      or exists (
        select
        from core.role_permission as p
        where p.org_id = r.org_id and p.role_id = r.id and p.permission = permission_holders.permission
      )
    )
    and (
      u.unit_id is null
      or exists (
        select
        from core.org_unit as held
        join core.org_unit as asked on asked.org_id = held.org_id and asked.path operator (public.<@) held.path
        where held.org_id = u.org_id and held.id = u.unit_id and asked.id = permission_holders.unit_id
      )
    );
end;

comment on function core.permission_holders(uuid, text, uuid) is
  'The users who hold a permission in an organisation: everywhere or, with unit_id, also in that unit or one above it. '
  'Whether they are active it does not say.';

grant execute on function core.permission_holders(uuid, text, uuid) to worker, migrator;
