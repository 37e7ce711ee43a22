-- Business partners: the views that PostgREST exposes.

create view api.partners
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.code,
  t.name,
  t.legal_name,
  t.country_code,
  t.tax_id,
  t.currency,
  t.credit_limit,
  t.status,
  t.status_reason,
  t.note,
  t.search_text,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.partner as t;

comment on view api.partners is
  E'Partners\n'
  'Companies and people that the organisation does business with. The status is changed with POST '
  '/rpc/partner_hold, partner_activate and partner_deactivate.';
comment on column api.partners.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.partners.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.partners.code is 'Code, unique in the organisation';
comment on column api.partners.name is 'Name that users know';
comment on column api.partners.legal_name is 'Name in the register of companies';
comment on column api.partners.country_code is 'Country of its seat (ISO 3166-1 alpha-2)';
comment on column api.partners.tax_id is 'Tax or VAT number, unique in the organisation';
comment on column api.partners.currency is 'Currency it is usually billed in (ISO 4217)';
comment on column api.partners.credit_limit is 'The most it may owe, in currency; null: no limit';
comment on column api.partners.status is 'ACTIVE, ON_HOLD or INACTIVE';
comment on column api.partners.status_reason is 'Why it has its present status';
comment on column api.partners.note is 'Internal note; EXTERNAL users never see it';
comment on column api.partners.search_text is 'Code and names in lower case without accents, for search';
comment on column api.partners.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.partners.created_at is 'When it was made';
comment on column api.partners.created_by is 'User who made it; null: the tools';
comment on column api.partners.updated_at is 'When it was last changed';
comment on column api.partners.updated_by is 'User who changed it last; null: the tools';

create view api.own_partner
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.code,
  t.name,
  t.legal_name,
  t.country_code,
  t.tax_id,
  t.currency,
  t.status,
  t.version,
  t.created_at,
  t.updated_at
from core.partner as t;

comment on view api.own_partner is
  E'The partner of an EXTERNAL user\n'
  'One row, for EXTERNAL users: their own partner, without what the organisation keeps to itself (limit, note, '
  'reasons).';
comment on column api.own_partner.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.own_partner.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.own_partner.code is 'Code that the organisation uses';
comment on column api.own_partner.name is 'Name';
comment on column api.own_partner.legal_name is 'Name in the register of companies';
comment on column api.own_partner.country_code is 'Country of its seat (ISO 3166-1 alpha-2)';
comment on column api.own_partner.tax_id is 'Tax or VAT number';
comment on column api.own_partner.currency is 'Currency it is usually billed in (ISO 4217)';
comment on column api.own_partner.status is 'ACTIVE or ON_HOLD';
comment on column api.own_partner.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.own_partner.created_at is 'When it was made';
comment on column api.own_partner.updated_at is 'When it was last changed';

create view api.partner_roles
with (security_invoker = true) as
select
  t.org_id,
  t.partner_id,
  t.role,
  t.created_at,
  t.created_by
from core.partner_role as t;

comment on view api.partner_roles is
  E'Roles of partners\n'
  'The parts a partner plays; it may be customer and supplier at once.';
comment on column api.partner_roles.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.partner_roles.partner_id is 'The partner';
comment on column api.partner_roles.role is
  'CUSTOMER, SUPPLIER, BUYER, SUBCONTRACTOR, CARRIER, BROKER, AGENT, GIN, BANK or LABORATORY';
comment on column api.partner_roles.created_at is 'When it was made';
comment on column api.partner_roles.created_by is 'User who made it; null: the tools';

create view api.contacts
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.partner_id,
  t.name,
  t.position,
  t.email,
  t.phone,
  t.is_primary,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.contact as t;

comment on view api.contacts is
  E'Contacts\n'
  'People at partners.';
comment on column api.contacts.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.contacts.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.contacts.partner_id is 'The partner';
comment on column api.contacts.name is 'Name of the person';
comment on column api.contacts.position is 'Position in the company';
comment on column api.contacts.email is 'E-mail address; this or phone is needed';
comment on column api.contacts.phone is 'Telephone number';
comment on column api.contacts.is_primary is 'Whether to ask this one first; one a partner';
comment on column api.contacts.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.contacts.created_at is 'When it was made';
comment on column api.contacts.created_by is 'User who made it; null: the tools';
comment on column api.contacts.updated_at is 'When it was last changed';
comment on column api.contacts.updated_by is 'User who changed it last; null: the tools';

create view api.addresses
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.partner_id,
  t.kind,
  t.line1,
  t.line2,
  t.city,
  t.region,
  t.postal_code,
  t.country_code,
  t.locode,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.address as t;

comment on view api.addresses is
  E'Addresses\n'
  'Addresses of partners.';
comment on column api.addresses.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.addresses.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.addresses.partner_id is 'The partner';
comment on column api.addresses.kind is 'REGISTERED, BILL_TO, SHIP_TO or SHIP_FROM';
comment on column api.addresses.line1 is 'Street and number';
comment on column api.addresses.line2 is 'More of it';
comment on column api.addresses.city is 'City';
comment on column api.addresses.region is 'State, province or district';
comment on column api.addresses.postal_code is 'Postal code';
comment on column api.addresses.country_code is 'Country (ISO 3166-1 alpha-2)';
comment on column api.addresses.locode is 'UN/LOCODE of the port or place, in the same country';
comment on column api.addresses.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.addresses.created_at is 'When it was made';
comment on column api.addresses.created_by is 'User who made it; null: the tools';
comment on column api.addresses.updated_at is 'When it was last changed';
comment on column api.addresses.updated_by is 'User who changed it last; null: the tools';
