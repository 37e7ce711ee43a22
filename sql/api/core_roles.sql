-- The roles that organisations begin with, and what of them this organisation has.

create view api.role_templates
with (security_invoker = true) as
select
  t.code,
  t.domain,
  t.name,
  t.description,
  t.user_kind,
  t.is_administrator,
  t.requires_second_factor,
  r.id as role_id
from core.role_template as t
left join core.role as r on r.org_id = (select core.org_id()) and r.template = t.code;

comment on view api.role_templates is
  E'Role templates\n'
  'The roles that every organisation begins with. POST /rpc/role_reset restores the one of role_id.';
comment on column api.role_templates.code is 'Code of the template, in snake_case';
comment on column api.role_templates.domain is 'Domain that the role works in';
comment on column api.role_templates.name is 'Name';
comment on column api.role_templates.description is 'What its holders do';
comment on column api.role_templates.user_kind is 'Kind of users that it is meant for: INTERNAL or EXTERNAL';
comment on column api.role_templates.is_administrator is 'Has every permission, also those that later versions bring';
comment on column api.role_templates.requires_second_factor is 'Whether its holders must sign in with a second factor';

create trigger refuse
instead of insert or update or delete on api.role_templates
for each row
execute function core.tg_view__refuse();
comment on column api.role_templates.role_id is
  'Role of this organisation that was made from it; null: the organisation removed it';

create view api.role_template_permissions
with (security_invoker = true) as
select
  t.role,
  t.permission
from core.role_template_permission as t;

comment on view api.role_template_permissions is
  E'Permissions of role templates\n'
  'What a role holds again after POST /rpc/role_reset.';
comment on column api.role_template_permissions.role is 'Code of the template';
comment on column api.role_template_permissions.permission is 'What it allows: a code of /permissions';
