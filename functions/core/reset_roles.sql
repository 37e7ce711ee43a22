-- Makes the roles of an organisation what their templates say.

create or replace function core.reset_roles(org_id uuid, template text default null)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_roles integer;
begin
  -- A role of the organisation's own with the code of a template stays as it is, but for the administrator of an
  -- organisation that is older than the templates.
  insert into core.role as r (org_id, code, name, description, template, is_administrator, requires_second_factor)
  select
    reset_roles.org_id, t.code, t.name, t.description, t.code, t.is_administrator, t.requires_second_factor
  from core.role_template as t
  where t.code = coalesce(reset_roles.template, t.code)
    and not exists (
      select from core.role as made where made.org_id = reset_roles.org_id and made.template = t.code
    )
  order by t.code
  on conflict on constraint role_code_unique do update set template = excluded.template
  where r.template is null and r.is_administrator and excluded.is_administrator;

  update core.role as r
  set
    name = t.name,
    description = t.description,
    is_administrator = t.is_administrator,
    requires_second_factor = t.requires_second_factor
  from core.role_template as t
  where r.org_id = reset_roles.org_id
    and r.template = t.code
    and t.code = coalesce(reset_roles.template, t.code)
    and (r.name, r.description, r.is_administrator, r.requires_second_factor)
      is distinct from (t.name, t.description, t.is_administrator, t.requires_second_factor);

  delete from core.role_permission as p
  using core.role as r
  where r.org_id = reset_roles.org_id
    and r.template = coalesce(reset_roles.template, r.template)
    and p.org_id = r.org_id
    and p.role_id = r.id
    and not exists (
      select from core.role_template_permission as t where t.role = r.template and t.permission = p.permission
    );

  insert into core.role_permission (org_id, role_id, permission)
  select r.org_id, r.id, t.permission
  from core.role as r
  join core.role_template_permission as t on t.role = r.template
  where r.org_id = reset_roles.org_id
    and r.template = coalesce(reset_roles.template, r.template)
  on conflict do nothing;

  select count(*) into v_roles
  from core.role as r
  where r.org_id = reset_roles.org_id and r.template = coalesce(reset_roles.template, r.template);
  return v_roles;
end
$$;

comment on function core.reset_roles(uuid, text) is
  'Make the roles of an organisation that come from templates, or the one of template, again what the templates say; '
  'missing ones are added, roles of its own stay. Codes stay as the organisation named them. Returns how many there are.';

grant execute on function core.reset_roles(uuid, text) to migrator;
