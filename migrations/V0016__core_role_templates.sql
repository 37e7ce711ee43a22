-- domain: core
-- why: the roles that each domain is used with are data, so that a new organisation has them and a changed one can be restored
-- locks: ACCESS EXCLUSIVE on core.role, instant (columns without a default, or with a constant one)
-- breaking: no

create table core.role_template (
  code text constraint role_template_pkey primary key,
  domain text not null,
  name text not null,
  description text not null,
  user_kind text not null default 'INTERNAL',
  is_administrator boolean not null default false,
  requires_second_factor boolean not null default false,
  constraint code_is_snake_case check (code ~ '^[a-z][a-z0-9_]*$'),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint role_user_kind_known check (user_kind in ('INTERNAL', 'EXTERNAL'))
);

comment on table core.role_template is
  'Roles that every new organisation begins with; it may change its own, and core.reset_roles restores them. Each domain '
  'adds rows to sql/reference/role_template.';
comment on column core.role_template.domain is 'Domain that the role works in';
comment on column core.role_template.user_kind is 'Kind of users that it is meant for';
comment on column core.role_template.is_administrator is 'Has every permission, also those that later versions bring';
comment on column core.role_template.requires_second_factor is 'Whether its holders must sign in with a second factor';

create table core.role_template_permission (
  role text not null,
  permission text not null,
  constraint role_template_permission_pkey primary key (role, permission),
  constraint role_template_exists foreign key (role) references core.role_template (code),
  constraint permission_exists foreign key (permission) references core.permission (code)
);

comment on table core.role_template_permission is
  'Which permissions a template holds. A domain that adds permissions adds rows for all roles that need them to '
  'sql/reference/role_template_permission/<domain>.csv.';

create index role_template_permission_permission_idx on core.role_template_permission (permission);

alter table core.role
  add column template text,
  add column description text,
  add constraint template_exists foreign key (template) references core.role_template (code) on delete set null,
  add constraint made_once_from_a_template unique (org_id, template);

comment on column core.role.template is 'The template that it was made from and can be restored to; null: made by the organisation';
comment on column core.role.description is 'What its holders do';
create index role_template_idx on core.role (template);
