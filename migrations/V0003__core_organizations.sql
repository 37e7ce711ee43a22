-- domain: core
-- why: organisations, their units, users, roles and who holds them
-- locks: none (new objects)
-- breaking: no

create table core.organization (
  id uuid constraint organization_pkey primary key default uuidv7(),
  code text not null,
  name text not null,
  legal_name text,
  country_code text not null,
  base_currency text not null,
  time_zone text not null default 'UTC',
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint organization_code_unique unique (code),
  constraint code_short_upper_case check (code ~ '^[A-Z][A-Z0-9_-]{1,31}$'),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint country_exists foreign key (country_code) references core.country (code),
  constraint base_currency_exists foreign key (base_currency) references core.currency (code)
);

comment on table core.organization is 'A tenant: nobody but a SUPER_ADMIN sees more than one at a time';
comment on column core.organization.base_currency is 'Currency of its books';
comment on column core.organization.time_zone is 'IANA name; a business day ends at midnight there';

create index organization_country_code_idx on core.organization (country_code);
create index organization_base_currency_idx on core.organization (base_currency);

alter table core.analyst_login
  add constraint organization_exists foreign key (org_id) references core.organization (id);

create table core.org_unit (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  parent_id uuid,
  kind text not null,
  code text not null,
  name text not null,
  path ltree not null,
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint org_unit_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint parent_exists foreign key (org_id, parent_id) references core.org_unit (org_id, id),
  constraint code_unique_below_a_parent unique nulls not distinct (org_id, parent_id, code),
  constraint kind_known check (kind in ('BRANCH', 'UNIT', 'DEPARTMENT', 'SECTION', 'CENTRAL')),
  constraint code_not_blank check (btrim(code) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint not_its_own_parent check (parent_id <> id)
);

comment on table core.org_unit is 'Branches, units, departments and sections of an organisation, as a tree';
comment on column core.org_unit.path is 'Ids from the root to this unit (hexadecimal, without dashes); kept by a trigger';

create index org_unit_path_idx on core.org_unit using gist (org_id, path);

create table core.app_user (
  id uuid constraint app_user_pkey primary key default uuidv7(),
  email text not null,
  name text not null,
  kind text not null,
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint user_kind_known check (kind in ('SUPER_ADMIN', 'INTERNAL', 'EXTERNAL')),
  constraint email_has_an_at_sign check (email ~ '^[^@\s]+@[^@\s]+$'),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint id_and_kind_unique unique (id, kind)
);

comment on table core.app_user is
  'A person or machine that signs in. SUPER_ADMIN belongs to no organisation, INTERNAL to one or more, '
  'EXTERNAL to one partner of one organisation.';

create unique index app_user_email_unique on core.app_user (lower(email));

create table core.role (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  code text not null,
  name text not null,
  is_administrator boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint role_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint role_code_unique unique (org_id, code),
  constraint code_is_snake_case check (code ~ '^[a-z][a-z0-9_]*$'),
  constraint name_not_blank check (btrim(name) <> '')
);

comment on table core.role is 'A set of permissions that an organisation gives to its users';
comment on column core.role.is_administrator is 'Has every permission, also those that later versions bring';

create table core.role_permission (
  org_id uuid not null default core.org_id(),
  role_id uuid not null,
  permission text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint role_permission_pkey primary key (org_id, role_id, permission),
  constraint role_exists foreign key (org_id, role_id) references core.role (org_id, id) on delete cascade,
  constraint permission_exists foreign key (permission) references core.permission (code)
);

comment on table core.role_permission is 'The permissions of a role';

create index role_permission_permission_idx on core.role_permission (permission);

create table core.membership (
  org_id uuid not null default core.org_id(),
  user_id uuid not null,
  kind text not null,
  partner_id uuid,
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint membership_pkey primary key (org_id, user_id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint user_exists foreign key (user_id, kind) references core.app_user (id, kind),
  constraint partner_if_and_only_if_external check (
    (kind = 'INTERNAL' and partner_id is null) or (kind = 'EXTERNAL' and partner_id is not null)
  )
);

comment on table core.membership is
  'That a user belongs to an organisation. A SUPER_ADMIN has none, an EXTERNAL user exactly one, for one partner.';

create unique index external_user_belongs_once on core.membership (user_id) where kind = 'EXTERNAL';
create index membership_user_id_idx on core.membership (user_id, kind);

create table core.user_role (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  user_id uuid not null,
  role_id uuid not null,
  unit_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint user_role_pkey primary key (org_id, id),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id),
  constraint role_exists foreign key (org_id, role_id) references core.role (org_id, id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint role_held_once unique nulls not distinct (org_id, user_id, role_id, unit_id)
);

comment on table core.user_role is 'Which roles a user holds, everywhere or in one unit and those below it';

create index user_role_role_id_idx on core.user_role (org_id, role_id);
create index user_role_unit_id_idx on core.user_role (org_id, unit_id);

alter table core.organization enable row level security;
alter table core.organization force row level security;
alter table core.org_unit enable row level security;
alter table core.org_unit force row level security;
alter table core.app_user enable row level security;
alter table core.app_user force row level security;
alter table core.role enable row level security;
alter table core.role force row level security;
alter table core.role_permission enable row level security;
alter table core.role_permission force row level security;
alter table core.membership enable row level security;
alter table core.membership force row level security;
alter table core.user_role enable row level security;
alter table core.user_role force row level security;
