-- domain: core
-- why: the schemas, and the functions that say on whose behalf a statement runs; everything else stands on them
-- locks: none (new objects)
-- breaking: no

create schema if not exists core;
create schema if not exists events;
create schema if not exists ops;
create schema if not exists wms;
create schema if not exists apparel;
create schema if not exists records;
create schema if not exists cotton;
create schema if not exists api;
create schema if not exists analytics;

comment on schema core is 'Organisations, people, access, partners, places, items, workflow, numbering';
comment on schema events is 'Audit trail and event feed';
comment on schema ops is 'Jobs, partitions, health, migration bookkeeping';
comment on schema wms is 'Warehouse management';
comment on schema apparel is 'Garment merchandising';
comment on schema records is 'Physical records management';
comment on schema cotton is 'Cotton trading';
-- PostgREST shows the first line as the title of the OpenAPI description and the rest as its text.
comment on schema api is
  'Erpgres API
Lists are views, actions are functions under /rpc. Sign each request with a bearer token. A page has 20 rows unless limit asks
for 1 to 100; the next one is ?order=id.desc&id=lt.<last id>. Errors carry code, message, details and hint; the codes are listed
at /errors. The only schema that PostgREST exposes: views and functions, no tables.';
comment on schema analytics is 'Views for analysts';

-- Views of api run with the rights of the caller, who therefore needs to reach the schemas behind them.
grant usage on schema core, events, ops, wms, apparel, records, cotton to anon, partner, member, superadmin, migrator;
grant usage on schema core, analytics to analyst;
grant usage on schema core, events, ops to relay, worker, monitor;
grant usage on schema api to anon, partner, member, superadmin, migrator;

create table core.analyst_login (
  login name constraint analyst_login_pkey primary key,
  org_id uuid not null,
  created_at timestamptz not null default now()
);

comment on table core.analyst_login is
  'Which organisation a database login with SQL access sees. Such a login can set any setting, so its organisation '
  'comes from here, keyed by session_user, never from a claim.';
comment on column core.analyst_login.login is 'Name of the database role that logs in';
comment on column core.analyst_login.org_id is 'The one organisation whose rows the login sees';

alter table core.analyst_login enable row level security;
alter table core.analyst_login force row level security;

create index analyst_login_org_id_idx on core.analyst_login (org_id);

create function core.claims()
returns jsonb
language sql
stable
parallel safe
return case
  when session_user in ('authenticator', 'migrator')
    then nullif(current_setting('request.jwt.claims', true), '')::jsonb
end;

comment on function core.claims() is
  'The verified claims of the request, or null. Believed only in sessions of PostgREST and of the tools: '
  'anybody else could set the setting himself.';

-- In PL/pgSQL, so that a request with claims neither plans nor needs to read the table of the analysts, and because
-- an inlined body would be planned again with each statement. Not by core.claims(): json is read faster than jsonb made.
create function core.org_id()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  if session_user in ('authenticator', 'migrator') then
    return (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'org_id')::uuid;
  end if;
  return (select a.org_id from core.analyst_login as a where a.login = session_user);
end
$$;

comment on function core.org_id() is
  'The organisation on whose behalf the statement runs; null when there is none. In policies: (select core.org_id()).';

create function core.user_id()
returns uuid
language sql
stable
parallel safe
return (core.claims() ->> 'sub')::uuid;

comment on function core.user_id() is 'The signed-in user, or null (tools, background roles, requests without a token).';

create function core.partner_id()
returns uuid
language sql
stable
parallel safe
return (core.claims() ->> 'partner_id')::uuid;

comment on function core.partner_id() is 'The business partner that an EXTERNAL user belongs to; null for everybody else.';

grant execute on function core.claims() to public;
grant execute on function core.org_id() to public;
grant execute on function core.user_id() to public;
grant execute on function core.partner_id() to public;

create function core.uuid_floor(at timestamptz)
returns uuid
language sql
immutable
strict
parallel safe
return (
  lpad(to_hex(floor(extract(epoch from uuid_floor.at) * 1000)::bigint), 12, '0') || '70008000000000000000'
)::uuid;

comment on function core.uuid_floor(timestamptz) is
  'The smallest version 7 UUID of a moment (RFC 9562: the first 48 bits are milliseconds since 1970). '
  'id >= core.uuid_floor(t) means "made at t or later" and prunes partitions, which a condition on '
  'uuid_extract_timestamp(id) does not.';

grant execute on function core.uuid_floor(timestamptz) to public;
