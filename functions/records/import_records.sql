-- Staged rows of the records: retention classes, documents, and crates that are stored already, with what is in them.

create or replace function records.import_retention_classes(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  code text,
  name text,
  years integer,
  counts_from text,
  disposal text,
  legal_basis text
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
        when (r.data ->> 'disposal' = 'RETAIN') <> (r.data ->> 'years' is null)
          then core.import_problem('years', 'records.years_do_not_fit', r.data ->> 'years')
      end
    ),
    r.data ->> 'code',
    r.data ->> 'name',
    (r.data ->> 'years')::integer,
    r.data ->> 'counts_from',
    r.data ->> 'disposal',
    r.data ->> 'legal_basis'
  from core.import_row as r
  left join records.retention_class as m
    on m.org_id = r.org_id
    and m.code = r.data ->> 'code'
  where r.org_id = (select core.org_id())
    and r.import_id = import_retention_classes.import_id
    and r.line between import_retention_classes.first_line and import_retention_classes.last_line
    and r.problems is null;
end;

comment on function records.import_retention_classes(uuid, integer, integer) is
  'Staged rows as rows of records.retention_class, by code';

grant execute on function records.import_retention_classes(uuid, integer, integer) to member, superadmin, migrator;

create or replace function records.import_documents(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  unit_id uuid,
  document_number text,
  name text,
  kind text,
  description text,
  barcode text,
  retention_class_id uuid,
  dated_on date,
  closed_on date,
  event_on date
)
language sql
stable
parallel safe
begin atomic
  with units as materialized (
    select u.id, u.path
    from core.org_unit_paths() as u
  )
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when u.id is null then core.import_problem('unit', 'core.import_reference', r.data ->> 'unit', '{"entity": "unit"}')
        when m.unit_id <> u.id
          then core.import_problem('unit', 'core.import_fixed', r.data ->> 'unit', jsonb_build_object('current', o.path))
      end,
      case
        when r.data ->> 'retention_class' is not null and c.id is null then core.import_problem(
          'retention_class', 'core.import_reference', r.data ->> 'retention_class', '{"entity": "retention class"}'
        )
      end,
      case
        when (r.data ->> 'closed_on')::date < coalesce((r.data ->> 'dated_on')::date, m.dated_on)
          then core.import_problem('closed_on', 'core.import_order', r.data ->> 'closed_on', '{"other": "dated_on"}')
      end
    ),
    u.id,
    r.data ->> 'document_number',
    r.data ->> 'name',
    coalesce(r.data ->> 'kind', m.kind, 'PHYSICAL'),
    r.data ->> 'description',
    r.data ->> 'barcode',
    c.id,
    coalesce((r.data ->> 'dated_on')::date, m.dated_on, core.today()),
    (r.data ->> 'closed_on')::date,
    (r.data ->> 'event_on')::date
  from core.import_lines(import_documents.import_id, import_documents.first_line, import_documents.last_line) as r
  left join units as u on u.path = r.data ->> 'unit'
  left join records.retention_class as c
    on c.org_id = r.org_id
    and c.code = r.data ->> 'retention_class'
    and c.is_active
  left join records.document as m
    on m.org_id = r.org_id
    and m.document_number = r.data ->> 'document_number'
  left join units as o on o.id = m.unit_id;
end;

comment on function records.import_documents(uuid, integer, integer) is 'Staged rows as rows of records.document, by number';

grant execute on function records.import_documents(uuid, integer, integer) to member, superadmin, migrator;

create or replace function records.import_crates(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  barcode text,
  crate_id uuid,
  unit_id uuid,
  location_id uuid,
  document_id uuid,
  minimum_on date,
  is_permanent boolean,
  is_for_central boolean
)
language sql
stable
parallel safe
begin atomic
  with units as materialized (
    select u.id, u.path
    from core.org_unit_paths() as u
  ),
  places as materialized (
    select p.id, p.path
    from core.location_paths() as p
  )
  select
    r.line,
    case when e.crate_id = k.id then e.id end,
    core.import_problems(
      case
        when u.id is null then core.import_problem('unit', 'core.import_reference', r.data ->> 'unit', '{"entity": "unit"}')
        when k.unit_id <> u.id then core.import_problem('unit', 'core.import_fixed', r.data ->> 'unit',
          jsonb_build_object('current', records.unit_name(k.unit_id)))
      end,
      case
        when p.id is null then core.import_problem('place', 'core.import_reference', r.data ->> 'place', '{"entity": "place"}')
      end,
      case
        when d.id is null
          then core.import_problem('document', 'core.import_reference', r.data ->> 'document', '{"entity": "document"}')
        when d.status <> 'ACTIVE' then core.import_problem(
          'document', 'records.document_destroyed', d.document_number, jsonb_build_object('number', d.document_number)
        )
        when e.crate_id <> k.id or (e.id is not null and k.id is null) then core.import_problem(
          'document', 'records.document_in_crate', d.document_number,
          jsonb_build_object('number', d.document_number, 'barcode', x.barcode)
        )
      end,
      case
        when k.id is null and r.data ->> 'barcode' ~ '/[0-9]{4}/[0-9]{5,}$'
          and split_part(r.data ->> 'barcode', '/', -2)::integer >= extract(year from core.today())
          then core.import_problem('barcode', 'records.barcode_reserved', r.data ->> 'barcode')
        when k.status not in ('ACTIVE', 'ARCHIVED') then core.import_problem(
          'barcode', 'records.crate_not_available', k.barcode, jsonb_build_object('barcode', k.barcode, 'status', k.status)
        )
      end,
      case
        when coalesce((r.data ->> 'is_permanent')::boolean, false) and r.data ->> 'destruction_on' is not null
          then core.import_problem('destruction_on', 'records.retained_or_destroyed', r.data ->> 'destruction_on')
      end
    ),
    r.data ->> 'barcode',
    k.id,
    u.id,
    p.id,
    d.id,
    (r.data ->> 'destruction_on')::date,
    coalesce((r.data ->> 'is_permanent')::boolean, false),
    coalesce((r.data ->> 'is_for_central')::boolean, false)
  from core.import_lines(import_crates.import_id, import_crates.first_line, import_crates.last_line) as r
  left join units as u on u.path = r.data ->> 'unit'
  left join places as p on p.path = r.data ->> 'place'
  left join records.document as d
    on d.org_id = r.org_id
    and d.document_number = r.data ->> 'document'
  left join records.crate as k
    on k.org_id = r.org_id
    and k.barcode = r.data ->> 'barcode'
  left join records.crate_document as e
    on e.org_id = r.org_id
    and e.document_id = d.id
    and e.removed_at is null
  left join records.crate as x
    on x.org_id = e.org_id
    and x.id = e.crate_id;
end;

comment on function records.import_crates(uuid, integer, integer) is
  'Staged rows of crates that are stored already, one a document; match_id is the document in that crate';

grant execute on function records.import_crates(uuid, integer, integer) to member, superadmin, migrator;

create or replace function records.load_crates(import_id uuid, first_line integer, last_line integer)
returns setof integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_crate record;
begin
  -- Read with the importer's own rights: what he does not see is not there for him.
  for v_crate in
    select
      f.barcode,
      min(f.unit_id::text)::uuid as unit_id,
      min(f.location_id::text)::uuid as location_id,
      max(f.minimum_on) as minimum_on,
      bool_or(f.is_permanent) as is_permanent,
      bool_or(f.is_for_central) as is_for_central,
      array_agg(f.document_id order by f.line) as documents,
      array_agg(f.line order by f.line) as lines
    from records.import_crates(load_crates.import_id, load_crates.first_line, load_crates.last_line) as f
    where f.match_id is null and f.problems is null
    group by f.barcode
    order by min(f.line)
  loop
    perform records.take_over_crate(
      v_crate.barcode, v_crate.unit_id, v_crate.location_id, v_crate.documents, v_crate.minimum_on, v_crate.is_permanent,
      v_crate.is_for_central
    );
    return query select l.line from unnest(v_crate.lines) as l (line);
  end loop;
end
$$;

comment on function records.load_crates(uuid, integer, integer) is
  'Take over crates of staged rows with their contents, in their places; returns the lines';

grant execute on function records.load_crates(uuid, integer, integer) to member, superadmin, migrator;

create or replace function records.take_over_crate(
  barcode text,
  unit_id uuid,
  location_id uuid,
  documents uuid[],
  minimum_on date,
  is_permanent boolean,
  is_for_central boolean
)
returns void
language plpgsql
volatile
parallel unsafe
-- definer: crates and custody are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_crate records.crate;
begin
  perform core.require_permission('records.crate.import', unit_id);
  perform records.check_unit(unit_id);
  select c.*
  into v_crate
  from records.crate as c
  where c.org_id = v_org
    and c.barcode = take_over_crate.barcode
  for no key update;
  if not found then
    v_crate.id := uuidv7();
    insert into core.number_register (org_id, document_type, number, entity_id)
    values (v_org, 'records.crate', take_over_crate.barcode, v_crate.id);
    insert into records.crate (
      org_id, id, barcode, unit_id, status, is_for_central, is_permanent, minimum_on, is_retained, destruction_on
    )
    values (
      v_org, v_crate.id, take_over_crate.barcode, take_over_crate.unit_id, 'ACTIVE', take_over_crate.is_for_central,
      take_over_crate.is_permanent, take_over_crate.minimum_on, true, null
    )
    returning * into v_crate;
    perform records.lock_place(location_id, v_crate);
    perform records.give_custody(v_crate.id, location_id, null, 'IMPORTED');
  end if;
  insert into records.crate_document (org_id, crate_id, document_id)
  select v_org, v_crate.id, d.id
  from unnest(documents) as d (id);
  perform records.refresh_crates(array[v_crate.id]);
end
$$;

comment on function records.take_over_crate(text, uuid, uuid, uuid[], date, boolean, boolean) is
  'Make a crate that lies in its place already, with the barcode that it has, or put more documents into it.';

grant execute on function records.take_over_crate(text, uuid, uuid, uuid[], date, boolean, boolean)
to member, superadmin, migrator;
