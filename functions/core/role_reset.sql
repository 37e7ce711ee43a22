-- Restores a role that came from a template.

-- Definer: members may not write the flags of a role, only restore those that the template has.
create or replace function api.role_reset(id uuid, version integer default null)
returns api.roles
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_template text;
  v_version integer;
  v_role api.roles;
begin
  perform core.require_permission('core.role.update');
  perform core.require_permission('core.role_permission.create');
  perform core.require_permission('core.role_permission.delete');
  select r.template, r.version into v_template, v_version
  from core.role as r
  where r.org_id = core.org_id() and r.id = role_reset.id
  for no key update;
  if v_template is null then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', 'role made from a template', 'id', role_reset.id)
    );
  end if;
  perform core.check_version('role', role_reset.version, v_version);
  perform core.reset_roles(core.org_id(), v_template);
  select * into v_role from api.roles as r where r.org_id = core.org_id() and r.id = role_reset.id;
  return v_role;
end
$$;

comment on function api.role_reset(uuid, integer) is
  E'Restore a role\n'
  'Gives a role that came from a template its name and permissions back; its code and who holds it stay. '
  '/role_templates shows which role came from which. Returns the role. Errors: core.permission_missing (403), '
  'core.not_found (404): no such role, or one of the organisation''s own; core.stale_version (412).';

grant execute on function api.role_reset(uuid, integer) to member, superadmin;
