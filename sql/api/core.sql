-- Organisation, access, settings and what is the same for all: the views that PostgREST exposes.

create view api.organizations
with (security_invoker = true) as
select
  t.id,
  t.code,
  t.name,
  t.legal_name,
  t.country_code,
  t.base_currency,
  t.time_zone,
  t.is_active,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.organization as t;

comment on view api.organizations is
  E'Organisations\n'
  'One row: the organisation of the token. A SUPER_ADMIN sees all. Changed with core.organization.update.';
comment on column api.organizations.id is 'Id of the organisation';
comment on column api.organizations.code is 'Short code, upper case, unique in the installation';
comment on column api.organizations.name is 'Name that users know';
comment on column api.organizations.legal_name is 'Name in the register of companies';
comment on column api.organizations.country_code is 'Country of its seat (ISO 3166-1 alpha-2)';
comment on column api.organizations.base_currency is 'Currency of its books (ISO 4217); cannot be changed';
comment on column api.organizations.time_zone is 'IANA name; a business day ends at midnight there';
comment on column api.organizations.is_active is 'Whether its users may sign in';
comment on column api.organizations.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.organizations.created_at is 'When it was made';
comment on column api.organizations.created_by is 'User who made it; null: the tools';
comment on column api.organizations.updated_at is 'When it was last changed';
comment on column api.organizations.updated_by is 'User who changed it last; null: the tools';

create view api.org_units
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.parent_id,
  t.kind,
  t.code,
  t.name,
  t.path,
  t.is_active,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.org_unit as t;

comment on view api.org_units is
  E'Organisation units\n'
  'Branches, units, departments and sections as a tree. A unit and all below it: path=cd.<path>. Moved with POST '
  '/rpc/org_unit_move.';
comment on column api.org_units.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.org_units.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.org_units.parent_id is 'Unit it belongs to; null: a root';
comment on column api.org_units.kind is 'BRANCH, UNIT, DEPARTMENT, SECTION or CENTRAL';
comment on column api.org_units.code is 'Code, unique below its parent';
comment on column api.org_units.name is 'Name';
comment on column api.org_units.path is
  'Ids from the root to this unit, hexadecimal without dashes, joined by points; set by the database';
comment on column api.org_units.is_active is 'An inactive unit takes no new units; all below it must be inactive too';
comment on column api.org_units.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.org_units.created_at is 'When it was made';
comment on column api.org_units.created_by is 'User who made it; null: the tools';
comment on column api.org_units.updated_at is 'When it was last changed';
comment on column api.org_units.updated_by is 'User who changed it last; null: the tools';

create view api.users
with (security_invoker = true) as
select
  m.org_id,
  m.user_id as id,
  u.email,
  u.name,
  m.kind,
  m.partner_id,
  u.is_active and m.is_active as is_active,
  m.created_at,
  m.version
from core.membership as m
join core.app_user as u on u.id = m.user_id;

comment on view api.users is
  E'Users of the organisation\n'
  'People and machines that belong to the organisation. Made with POST /rpc/user_create.';
comment on column api.users.org_id is 'Organisation that the user belongs to here';
comment on column api.users.id is 'Id of the user';
comment on column api.users.email is 'E-mail address, unique in the installation; sign-in name';
comment on column api.users.name is 'Name';
comment on column api.users.kind is 'INTERNAL, or EXTERNAL: belongs to a partner';
comment on column api.users.partner_id is 'Partner of an EXTERNAL user';
comment on column api.users.is_active is 'Whether the user may sign in to this organisation';
comment on column api.users.created_at is 'When the user joined the organisation';
comment on column api.users.version is 'Version of the membership, for user_disable and user_enable';

create trigger refuse
instead of insert or update or delete on api.users
for each row
execute function core.tg_view__refuse();

create view api.roles
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.code,
  t.name,
  t.is_administrator,
  t.requires_second_factor,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.role as t;

comment on view api.roles is
  E'Roles\n'
  'Sets of permissions that the organisation gives to its users.';
comment on column api.roles.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.roles.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.roles.code is 'Code in snake_case, unique in the organisation';
comment on column api.roles.name is 'Name that users know';
comment on column api.roles.is_administrator is
  'Has every permission, also those that later versions bring; set by the tools only';
comment on column api.roles.requires_second_factor is
  'Whether its holders must sign in with a one-time password as well';
comment on column api.roles.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.roles.created_at is 'When it was made';
comment on column api.roles.created_by is 'User who made it; null: the tools';
comment on column api.roles.updated_at is 'When it was last changed';
comment on column api.roles.updated_by is 'User who changed it last; null: the tools';

create view api.role_permissions
with (security_invoker = true) as
select
  t.org_id,
  t.role_id,
  t.permission,
  t.created_at,
  t.created_by
from core.role_permission as t;

comment on view api.role_permissions is
  E'Permissions of roles\n'
  'One row for each permission in a role. Insert to put one in, delete to take it out; it acts at the next '
  'request.';
comment on column api.role_permissions.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.role_permissions.role_id is 'The role';
comment on column api.role_permissions.permission is 'What it allows: a code of /permissions';
comment on column api.role_permissions.created_at is 'When it was made';
comment on column api.role_permissions.created_by is 'User who made it; null: the tools';

create view api.user_roles
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.user_id,
  t.role_id,
  t.unit_id,
  t.created_at,
  t.created_by
from core.user_role as t;

comment on view api.user_roles is
  E'Roles of users\n'
  'Which roles users hold. Insert to give one, delete to take it; it acts at the next request.';
comment on column api.user_roles.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.user_roles.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.user_roles.user_id is 'The user';
comment on column api.user_roles.role_id is 'The role';
comment on column api.user_roles.unit_id is 'Only in this unit and those below it; null: everywhere';
comment on column api.user_roles.created_at is 'When it was made';
comment on column api.user_roles.created_by is 'User who made it; null: the tools';

create view api.settings
with (security_invoker = true) as
select
  d.code,
  d.value_type,
  coalesce(s.value, i.value, d.default_value) as value,
  d.default_value,
  s.code is null and i.code is null as is_default,
  d.is_global,
  d.description,
  s.version
from core.setting_definition as d
left join core.installation_setting as i on i.code = d.code
left join core.setting as s on s.code = d.code and s.org_id = (select core.org_id());

comment on view api.settings is
  E'Settings\n'
  'Every setting there is, with the value that holds in the organisation. Changed with POST /rpc/setting_put.';
comment on column api.settings.code is 'Code as domain.setting';
comment on column api.settings.value_type is 'JSON type of the value: string, number, boolean, object or array';
comment on column api.settings.value is 'The value that holds';
comment on column api.settings.default_value is 'The value when nobody has set one';
comment on column api.settings.is_default is 'Whether neither the organisation nor the installation has set one';
comment on column api.settings.is_global is 'Whether it holds for the installation, and no organisation may change it';
comment on column api.settings.description is 'What it does';
comment on column api.settings.version is 'Version of the organisation''s own value, for setting_put; null where it has none';

create trigger refuse
instead of insert or update or delete on api.settings
for each row
execute function core.tg_view__refuse();

create view api.number_series
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.document_type,
  t.unit_id,
  t.pattern,
  t.reset,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.number_series as t;

comment on view api.number_series is
  E'Number series\n'
  'How the numbers of a document type look. Numbers have no gaps; each series counts for itself.';
comment on column api.number_series.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.number_series.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.number_series.document_type is 'Type of document as domain.type';
comment on column api.number_series.unit_id is 'Organisation unit that has numbers of its own; null: all others';
comment on column api.number_series.pattern is
  '{number} or {number:6} (six digits, zeros first), {year}, {unit} (code of the unit); the rest is taken as it '
  'is';
comment on column api.number_series.reset is 'YEAR: counting begins anew each year; NEVER: it goes on';
comment on column api.number_series.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.number_series.created_at is 'When it was made';
comment on column api.number_series.created_by is 'User who made it; null: the tools';
comment on column api.number_series.updated_at is 'When it was last changed';
comment on column api.number_series.updated_by is 'User who changed it last; null: the tools';

create view api.countries
with (security_invoker = true) as
select
  t.code,
  t.alpha3,
  t.numeric_code,
  t.name
from core.country as t;

comment on view api.countries is
  E'Countries\n'
  'Countries and territories (ISO 3166-1).';
comment on column api.countries.code is 'Alpha-2 code';
comment on column api.countries.alpha3 is 'Alpha-3 code';
comment on column api.countries.numeric_code is 'Numeric code, three digits';
comment on column api.countries.name is 'English short name';

create view api.currencies
with (security_invoker = true) as
select
  t.code,
  t.numeric_code,
  t.name,
  t.decimals
from core.currency as t;

comment on view api.currencies is
  E'Currencies\n'
  'Currencies and funds (ISO 4217).';
comment on column api.currencies.code is 'Alphabetic code';
comment on column api.currencies.numeric_code is 'Numeric code, three digits';
comment on column api.currencies.name is 'English name';
comment on column api.currencies.decimals is 'Digits after the point of the minor unit';

create view api.units
with (security_invoker = true) as
select
  t.code,
  t.name,
  t.symbol,
  t.dimension,
  t.factor_numerator,
  t.factor_denominator,
  t.decimals
from core.unit as t;

comment on view api.units is
  E'Units of measure\n'
  'Units and packages (UN/ECE Recommendation 20). One unit is factor_numerator / factor_denominator of the base '
  'unit of its dimension: piece, kilogram, metre, square metre, litre, second, kilogram per metre. What a PACKAGE '
  'holds is said in /unit_conversions.';
comment on column api.units.code is 'Common code';
comment on column api.units.name is 'English name';
comment on column api.units.symbol is 'Symbol to print';
comment on column api.units.dimension is 'COUNT, MASS, LENGTH, AREA, VOLUME, TIME, LINEAR_DENSITY or PACKAGE';
comment on column api.units.factor_numerator is 'Numerator of the factor to the base unit';
comment on column api.units.factor_denominator is 'Denominator of the factor to the base unit';
comment on column api.units.decimals is 'Digits after the point that a quantity in this unit is rounded to';

create view api.permissions
with (security_invoker = true) as
select
  t.code,
  t.description,
  t.is_duty
from core.permission as t;

comment on view api.permissions is
  E'Permissions\n'
  'What can be allowed; roles are made of these.';
comment on column api.permissions.code is 'Code as domain.entity.action';
comment on column api.permissions.description is 'What it allows';
comment on column api.permissions.is_duty is 'Held only by roles that list it, not by being an administrator';

create view api.errors
with (security_invoker = true) as
select
  t.code,
  t.status,
  t.message,
  t.hint
from core.error as t;

comment on view api.errors is
  E'Errors\n'
  'Every business error the API can answer with.';
comment on column api.errors.code is 'Code as domain.name; it does not change';
comment on column api.errors.status is 'HTTP status';
comment on column api.errors.message is 'Message; {name} is filled in from the details';
comment on column api.errors.hint is 'What to do about it';

create view api.transitions
with (security_invoker = true) as
select
  t.entity,
  t.from_status,
  t.to_status,
  t.action,
  t.permission,
  t.needs_reason,
  t.other_than,
  t.needs_signature
from core.transition as t;

comment on view api.transitions is
  E'Status changes\n'
  'Every allowed change of a status, and what a user needs to take the step.';
comment on column api.transitions.entity is 'What has the status, as domain.entity';
comment on column api.transitions.from_status is 'Status before; NEW: a row begins so';
comment on column api.transitions.to_status is 'Status after';
comment on column api.transitions.action is 'The verb by which users know the step';
comment on column api.transitions.permission is
  'What a user needs, in the unit of the row if it has one; null: it differs from row to row';
comment on column api.transitions.needs_reason is 'Whether the step is refused without a reason';
comment on column api.transitions.other_than is 'Columns of the row with users who may not take the step';
comment on column api.transitions.needs_signature is 'Whether the step is refused without an electronic signature';
