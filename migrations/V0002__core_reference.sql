-- domain: core
-- why: data that every installation has and no organisation changes: countries, currencies, units, permissions, errors, transitions
-- locks: none (new objects)
-- breaking: no

create table core.country (
  code text constraint country_pkey primary key,
  alpha3 text not null,
  numeric_code text not null,
  name text not null,
  constraint code_is_iso_3166_alpha2 check (code ~ '^[A-Z]{2}$'),
  constraint alpha3_is_iso_3166 check (alpha3 ~ '^[A-Z]{3}$'),
  constraint numeric_code_is_iso_3166 check (numeric_code ~ '^[0-9]{3}$'),
  constraint alpha3_unique unique (alpha3),
  constraint numeric_code_unique unique (numeric_code)
);

comment on table core.country is 'Countries and territories (ISO 3166-1)';

create table core.currency (
  code text constraint currency_pkey primary key,
  numeric_code text not null,
  name text not null,
  decimals smallint not null,
  constraint code_is_iso_4217 check (code ~ '^[A-Z]{3}$'),
  constraint numeric_code_is_iso_4217 check (numeric_code ~ '^[0-9]{3}$'),
  constraint decimals_in_range check (decimals between 0 and 4),
  constraint currency_numeric_code_unique unique (numeric_code)
);

comment on table core.currency is 'Currencies (ISO 4217)';
comment on column core.currency.decimals is 'Digits after the point of the minor unit';

create table core.unit (
  code text constraint unit_pkey primary key,
  name text not null,
  symbol text not null,
  dimension text not null,
  factor_numerator numeric not null,
  factor_denominator numeric not null default 1,
  decimals smallint not null default 3,
  constraint code_is_unece_rec20 check (code ~ '^[A-Z0-9]{2,3}$'),
  constraint dimension_known check (
    dimension in ('COUNT', 'MASS', 'LENGTH', 'AREA', 'VOLUME', 'TIME', 'LINEAR_DENSITY', 'PACKAGE')
  ),
  constraint factor_positive check (factor_numerator > 0 and factor_denominator > 0),
  constraint decimals_of_unit_in_range check (decimals between 0 and 6)
);

comment on table core.unit is
  'Units of measure (common codes of UN/ECE Recommendation 20). One unit is factor_numerator / factor_denominator of '
  'the base unit of its dimension (piece, kilogram, metre, square metre, litre, second, kilogram per metre), as a '
  'fraction so that no factor is rounded. Units of dimension PACKAGE (box, roll, bale) have no fixed size: '
  'what they hold is said per item in core.unit_conversion.';
comment on column core.unit.decimals is 'Digits after the point that a quantity in this unit is rounded to';

create table core.error (
  code text constraint error_pkey primary key,
  status smallint not null,
  message text not null,
  hint text,
  constraint code_is_domain_and_name check (code ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint status_is_an_http_error check (status between 400 and 599)
);

comment on table core.error is 'Every business error: its stable code, HTTP status, message ({name} is filled in) and hint';

create table core.permission (
  code text constraint permission_pkey primary key,
  description text not null,
  constraint code_is_domain_entity_action check (code ~ '^[a-z]+\.[a-z_]+\.[a-z_]+$')
);

comment on table core.permission is 'What can be allowed, as domain.entity.action; roles of an organisation are made of these';

create table core.transition (
  entity text not null,
  from_status text not null,
  to_status text not null,
  action text not null,
  permission text not null,
  needs_reason boolean not null default false,
  constraint transition_pkey primary key (entity, from_status, to_status),
  constraint permission_exists foreign key (permission) references core.permission (code),
  constraint action_unique_from_a_status unique (entity, from_status, action),
  constraint status_changes check (from_status <> to_status)
);

comment on table core.transition is
  'Every allowed change of a status. from_status NEW stands for the insert: what a row may begin with.';
comment on column core.transition.action is 'The verb by which users know the step';
comment on column core.transition.permission is 'What a user needs to take the step';
comment on column core.transition.needs_reason is 'Whether the step is refused without a reason';

create index transition_permission_idx on core.transition (permission);

create table core.setting_definition (
  code text constraint setting_definition_pkey primary key,
  value_type text not null,
  default_value jsonb not null,
  description text not null,
  constraint code_is_domain_and_setting check (code ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint value_type_known check (value_type in ('string', 'number', 'boolean', 'object', 'array')),
  constraint default_has_the_type check (jsonb_typeof(default_value) = value_type)
);

comment on table core.setting_definition is 'Settings that an organisation may change, with type, default and meaning';
