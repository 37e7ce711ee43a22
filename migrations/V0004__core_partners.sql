-- domain: core
-- why: business partners (buyers, suppliers, carriers, brokers) with the roles they play, contacts and addresses
-- locks: ACCESS EXCLUSIVE on core.membership, instant (the table is new)
-- breaking: no

create function core.search_text(variadic parts text [])
returns text
language sql
immutable
parallel safe
return lower(
  translate(
    array_to_string(search_text.parts, ' '),
    U&'\00C0\00C1\00C2\00C3\00C4\00C5\00C7\00C8\00C9\00CA\00CB\00CC\00CD\00CE\00CF\00D1\00D2\00D3\00D4\00D5\00D6\00D8\00D9\00DA\00DB\00DC\00DD\00E0\00E1\00E2\00E3\00E4\00E5\00E7\00E8\00E9\00EA\00EB\00EC\00ED\00EE\00EF\00F1\00F2\00F3\00F4\00F5\00F6\00F8\00F9\00FA\00FB\00FC\00FD\00FF',
    'AAAAAACEEEEIIIINOOOOOOUUUUYaaaaaaceeeeiiiinoooooouuuuyy'
  )
);

comment on function core.search_text(text []) is
  'The parts joined, in lower case, without Latin accents; nulls are left out. Immutable, so that it can be indexed.';

grant execute on function core.search_text(text []) to public;

create table core.partner (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  code text not null,
  name text not null,
  legal_name text,
  country_code text,
  tax_id text,
  currency text,
  credit_limit numeric(18, 4),
  status text not null default 'ACTIVE',
  note text,
  search_text text not null generated always as (core.search_text(code, name, legal_name)) stored,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint partner_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint country_exists foreign key (country_code) references core.country (code),
  constraint currency_exists foreign key (currency) references core.currency (code),
  constraint partner_code_unique unique (org_id, code),
  constraint code_not_blank check (btrim(code) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint status_known check (status in ('ACTIVE', 'ON_HOLD', 'INACTIVE')),
  constraint credit_limit_not_negative check (credit_limit >= 0),
  constraint credit_limit_has_a_currency check (credit_limit is null or currency is not null)
);

comment on table core.partner is 'A company or person that the organisation does business with';
comment on column core.partner.credit_limit is 'The most it may owe, in its currency; null: no limit is set';
comment on column core.partner.search_text is 'Code and names in lower case without accents, for search';

create unique index partner_tax_id_unique on core.partner (org_id, tax_id) where tax_id is not null;
create index partner_name_idx on core.partner (org_id, name, id);
create index partner_status_idx on core.partner (org_id, status, id);
create index partner_country_code_idx on core.partner (country_code);
create index partner_currency_idx on core.partner (currency);

alter table core.membership
  add constraint partner_exists foreign key (org_id, partner_id) references core.partner (org_id, id);
create index membership_partner_id_idx on core.membership (org_id, partner_id);

create table core.partner_role (
  org_id uuid not null default core.org_id(),
  partner_id uuid not null,
  role text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint partner_role_pkey primary key (org_id, partner_id, role),
  constraint partner_exists foreign key (org_id, partner_id) references core.partner (org_id, id) on delete cascade,
  constraint role_known check (
    role in ('CUSTOMER', 'SUPPLIER', 'BUYER', 'SUBCONTRACTOR', 'CARRIER', 'BROKER', 'AGENT', 'GIN', 'BANK', 'LABORATORY')
  )
);

comment on table core.partner_role is 'The parts a partner plays; one partner may be customer and supplier at once';

create index partner_role_role_idx on core.partner_role (org_id, role, partner_id);

create table core.contact (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  partner_id uuid not null,
  name text not null,
  position text,
  email text,
  phone text,
  is_primary boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint contact_pkey primary key (org_id, id),
  constraint partner_exists foreign key (org_id, partner_id) references core.partner (org_id, id) on delete cascade,
  constraint name_not_blank check (btrim(name) <> ''),
  constraint email_has_an_at_sign check (email ~ '^[^@\s]+@[^@\s]+$'),
  constraint reachable_by_email_or_phone check (email is not null or phone is not null)
);

comment on table core.contact is 'A person at a partner';

create index contact_partner_id_idx on core.contact (org_id, partner_id, id);
create unique index one_primary_contact on core.contact (org_id, partner_id) where is_primary;

create table core.address (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  partner_id uuid not null,
  kind text not null,
  line1 text not null,
  line2 text,
  city text not null,
  region text,
  postal_code text,
  country_code text not null,
  locode text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint address_pkey primary key (org_id, id),
  constraint partner_exists foreign key (org_id, partner_id) references core.partner (org_id, id) on delete cascade,
  constraint country_exists foreign key (country_code) references core.country (code),
  constraint kind_known check (kind in ('REGISTERED', 'BILL_TO', 'SHIP_TO', 'SHIP_FROM')),
  constraint line1_not_blank check (btrim(line1) <> ''),
  constraint locode_is_un_locode check (locode ~ '^[A-Z]{2}[A-Z0-9]{3}$'),
  constraint locode_is_in_the_country check (left(locode, 2) = country_code)
);

comment on table core.address is 'An address of a partner, by what it is used for';
comment on column core.address.locode is 'UN/LOCODE of the port or place';

create index address_partner_id_idx on core.address (org_id, partner_id, id);
create index address_country_code_idx on core.address (country_code);

alter table core.partner enable row level security;
alter table core.partner force row level security;
alter table core.partner_role enable row level security;
alter table core.partner_role force row level security;
alter table core.contact enable row level security;
alter table core.contact force row level security;
alter table core.address enable row level security;
alter table core.address force row level security;
