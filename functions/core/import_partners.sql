-- Staged rows of partners and of what belongs to them.

create or replace function core.import_words(list text)
returns setof text
language sql
immutable
parallel safe
begin atomic
  select w.word
  from regexp_split_to_table(upper(import_words.list), '[,;/| ]+') as w (word)
  where w.word <> '';
end;

comment on function core.import_words(text) is 'The words of a cell that holds several, in upper case';

grant execute on function core.import_words(text) to member, superadmin, migrator;

create or replace function core.import_partners(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  code text,
  name text,
  legal_name text,
  country_code text,
  tax_id text,
  currency text,
  credit_limit numeric,
  note text
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    p.id,
    core.import_problems(
      case
        when k.code is null and r.data ->> 'country_code' is not null then core.import_problem(
          'country_code', 'core.import_reference', r.data ->> 'country_code', '{"entity": "country"}'
        )
      end,
      case
        when c.code is null and r.data ->> 'currency' is not null then core.import_problem(
          'currency', 'core.import_reference', r.data ->> 'currency', '{"entity": "currency"}'
        )
      end,
      case
        when (r.data ->> 'credit_limit')::numeric < 0
          then core.import_problem('credit_limit', 'core.import_negative', r.data ->> 'credit_limit')
      end,
      case
        when r.data ->> 'credit_limit' is not null and r.data ->> 'currency' is null
          then core.import_problem('currency', 'core.import_required')
      end,
      case
        when o.id <> p.id or (o.id is not null and p.id is null) then core.import_problem(
          'tax_id', 'core.import_taken', r.data ->> 'tax_id', jsonb_build_object('owner', o.code)
        )
      end,
      case
        when g.wrong is not null then core.import_problem(
          'roles', 'core.import_choice', g.wrong,
          '{"choices": "CUSTOMER, SUPPLIER, BUYER, SUBCONTRACTOR, CARRIER, BROKER, AGENT, GIN, BANK, LABORATORY"}'
        )
      end,
      case
        when g.is_new and (select core.user_id()) is not null and not (select core.has_permission('core.partner_role.create'))
          then core.import_problem(
            'roles', 'core.permission_missing', r.data ->> 'roles', '{"permission": "core.partner_role.create"}'
          )
      end
    ),
    r.data ->> 'code',
    r.data ->> 'name',
    r.data ->> 'legal_name',
    r.data ->> 'country_code',
    r.data ->> 'tax_id',
    r.data ->> 'currency',
    round((r.data ->> 'credit_limit')::numeric, 4),
    r.data ->> 'note'
  from core.import_row as r
  left join core.partner as p on p.org_id = r.org_id and p.code = r.data ->> 'code'
  left join core.partner as o on o.org_id = r.org_id and o.tax_id = r.data ->> 'tax_id'
  left join core.country as k on k.code = r.data ->> 'country_code'
  left join core.currency as c on c.code = r.data ->> 'currency'
  left join lateral (
    select
      min(w.role) filter (
        where w.role not in (
          'CUSTOMER', 'SUPPLIER', 'BUYER', 'SUBCONTRACTOR', 'CARRIER', 'BROKER', 'AGENT', 'GIN', 'BANK', 'LABORATORY'
        )
      ) as wrong,
      bool_or(h.role is null) as is_new
    from core.import_words(r.data ->> 'roles') as w (role)
    left join core.partner_role as h on h.org_id = p.org_id and h.partner_id = p.id and h.role = w.role
  ) as g on r.data ->> 'roles' is not null
  where r.org_id = (select core.org_id())
    and r.import_id = import_partners.import_id
    and r.line between import_partners.first_line and import_partners.last_line
    and r.problems is null;
end;

comment on function core.import_partners(uuid, integer, integer) is 'Staged rows as rows of core.partner, by code';

grant execute on function core.import_partners(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.load_partner_roles(import_id uuid, first_line integer, last_line integer)
returns setof integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  return query
  with given as (
    insert into core.partner_role (partner_id, role)
    select p.id, w.role
    from core.import_row as r
    join core.partner as p on p.org_id = r.org_id and p.code = r.data ->> 'code'
    cross join lateral core.import_words(r.data ->> 'roles') as w (role)
    where r.org_id = (select core.org_id())
      and r.import_id = load_partner_roles.import_id
      and r.line between load_partner_roles.first_line and load_partner_roles.last_line
      and r.problems is null
    on conflict do nothing
    returning partner_role.partner_id
  )
  select r.line
  from core.import_row as r
  join core.partner as p on p.org_id = r.org_id and p.code = r.data ->> 'code'
  where r.org_id = (select core.org_id())
    and r.import_id = load_partner_roles.import_id
    and r.line between load_partner_roles.first_line and load_partner_roles.last_line
    and r.problems is null
    and p.id in (select g.partner_id from given as g);
end
$$;

comment on function core.load_partner_roles(uuid, integer, integer) is
  'Give partners the roles that their rows name; what they have besides stays. Returns the lines that gave one';

grant execute on function core.load_partner_roles(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_contacts(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  partner_id uuid,
  name text,
  -- lint: allow sqlfluff.RF06: PostgreSQL takes position for a column of a result between quotes only
  "position" text,
  email text,
  phone text,
  is_primary boolean
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when p.id is null
          then core.import_problem('partner', 'core.import_reference', r.data ->> 'partner', '{"entity": "partner"}')
      end,
      case when m.matches > 1 then core.import_problem('name', 'core.import_ambiguous', r.data ->> 'name') end,
      case
        when r.data ->> 'email' is null and r.data ->> 'phone' is null and m.id is null
          then core.import_problem('email', 'core.import_unreachable')
      end,
      case
        when r.data ->> 'email' !~ '^[^@\s]+@[^@\s]+$'
          then core.import_problem('email', 'core.import_email', r.data ->> 'email')
      end
    ),
    p.id,
    r.data ->> 'name',
    r.data ->> 'position',
    r.data ->> 'email',
    r.data ->> 'phone',
    coalesce((r.data ->> 'is_primary')::boolean, false)
  from core.import_row as r
  left join core.partner as p on p.org_id = r.org_id and p.code = r.data ->> 'partner'
  left join lateral (
    select min(c.id::text)::uuid as id, count(*) as matches
    from core.contact as c
    where c.org_id = p.org_id and c.partner_id = p.id and c.name = r.data ->> 'name'
  ) as m on true
  where r.org_id = (select core.org_id())
    and r.import_id = import_contacts.import_id
    and r.line between import_contacts.first_line and import_contacts.last_line
    and r.problems is null;
end;

comment on function core.import_contacts(uuid, integer, integer) is 'Staged rows as rows of core.contact, by partner and name';

grant execute on function core.import_contacts(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_addresses(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  partner_id uuid,
  kind text,
  line1 text,
  line2 text,
  city text,
  region text,
  postal_code text,
  country_code text,
  locode text
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when p.id is null
          then core.import_problem('partner', 'core.import_reference', r.data ->> 'partner', '{"entity": "partner"}')
      end,
      case when m.matches > 1 then core.import_problem('line1', 'core.import_ambiguous', r.data ->> 'line1') end,
      case
        when k.code is null then core.import_problem(
          'country_code', 'core.import_reference', r.data ->> 'country_code', '{"entity": "country"}'
        )
      end,
      case
        when r.data ->> 'locode' !~ '^[A-Z]{2}[A-Z0-9]{3}$' or left(r.data ->> 'locode', 2) <> r.data ->> 'country_code'
          then core.import_problem('locode', 'core.import_locode', r.data ->> 'locode')
      end
    ),
    p.id,
    r.data ->> 'kind',
    r.data ->> 'line1',
    r.data ->> 'line2',
    r.data ->> 'city',
    r.data ->> 'region',
    r.data ->> 'postal_code',
    r.data ->> 'country_code',
    r.data ->> 'locode'
  from core.import_row as r
  left join core.partner as p on p.org_id = r.org_id and p.code = r.data ->> 'partner'
  left join core.country as k on k.code = r.data ->> 'country_code'
  left join lateral (
    select min(a.id::text)::uuid as id, count(*) as matches
    from core.address as a
    where a.org_id = p.org_id
      and a.partner_id = p.id
      and a.kind = r.data ->> 'kind'
      and a.line1 = r.data ->> 'line1'
  ) as m on true
  where r.org_id = (select core.org_id())
    and r.import_id = import_addresses.import_id
    and r.line between import_addresses.first_line and import_addresses.last_line
    and r.problems is null;
end;

comment on function core.import_addresses(uuid, integer, integer) is
  'Staged rows as rows of core.address, by partner, kind and first line';

grant execute on function core.import_addresses(uuid, integer, integer) to member, superadmin, migrator;
