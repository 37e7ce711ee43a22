-- What a storage request says goes into the crate: documents that are there, and new ones.

create or replace function records.read_documents(unit_id uuid, documents jsonb)
returns uuid[]
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_ids uuid[] := '{}';
  v_entry record;
  v_wrong text;
  v_class uuid;
  v_id uuid;
begin
  if jsonb_typeof(documents) is distinct from 'array' then
    perform core.raise_error('records.documents_malformed');
  elsif jsonb_array_length(documents) = 0 then
    perform core.raise_error('records.documents_missing');
  end if;

  for v_entry in select e.value, e.n from jsonb_array_elements(documents) with ordinality as e (value, n) loop
    if jsonb_typeof(v_entry.value) = 'string' and pg_input_is_valid(v_entry.value #>> '{}', 'uuid') then
      v_ids := v_ids || (v_entry.value #>> '{}')::uuid;
    elsif jsonb_typeof(v_entry.value) <> 'object' then
      perform core.raise_error('records.documents_malformed');
    else
      select min(k.key)
      into v_wrong
      from jsonb_object_keys(v_entry.value) as k (key)
      where k.key not in (
        'document_number', 'name', 'kind', 'description', 'barcode', 'retention_class', 'dated_on', 'closed_on', 'event_on'
      );
      if v_wrong is not null then
        perform core.raise_error('records.document_key_unknown', jsonb_build_object('key', v_wrong, 'line', v_entry.n));
      end if;
      select min(k.key)
      into v_wrong
      from jsonb_each_text(v_entry.value) as k (key, value)
      where k.key like '%\_on' and not records.is_date(k.value);
      if v_wrong is not null
        or coalesce(btrim(v_entry.value ->> 'document_number'), '') = ''
        or coalesce(btrim(v_entry.value ->> 'name'), '') = ''
      then
        perform core.raise_error('records.document_incomplete', jsonb_build_object('line', v_entry.n));
      end if;
      perform core.require_permission('records.document.create', unit_id);

      v_class := null;
      if v_entry.value ->> 'retention_class' is not null then
        v_class := (
          select c.id
          from records.retention_class as c
          where c.org_id = v_org
            and c.code = v_entry.value ->> 'retention_class'
            and c.is_active
        );
        if v_class is null then
          perform core.raise_error(
            'records.retention_class_unknown', jsonb_build_object('code', v_entry.value ->> 'retention_class')
          );
        end if;
      end if;

      insert into records.document (
        org_id, unit_id, document_number, name, kind, description, barcode, retention_class_id, dated_on, closed_on, event_on
      )
      values (
        v_org, read_documents.unit_id, btrim(v_entry.value ->> 'document_number'), btrim(v_entry.value ->> 'name'),
        coalesce(v_entry.value ->> 'kind', 'PHYSICAL'), v_entry.value ->> 'description', v_entry.value ->> 'barcode', v_class,
        coalesce((v_entry.value ->> 'dated_on')::date, core.today()), (v_entry.value ->> 'closed_on')::date,
        (v_entry.value ->> 'event_on')::date
      )
      on conflict on constraint document_number_unique do nothing
      returning id into v_id;
      if v_id is null then
        perform core.raise_error(
          'records.document_exists', jsonb_build_object('number', btrim(v_entry.value ->> 'document_number'))
        );
      end if;
      v_ids := v_ids || v_id;
      v_id := null;
    end if;
  end loop;
  return v_ids;
end
$$;

comment on function records.read_documents(uuid, jsonb) is
  'Ids of the documents of a storage request. documents is an array of ids, and of objects for new documents: '
  'document_number, name, and optionally kind, description, barcode, retention_class (code), dated_on, closed_on, event_on.';

create or replace function records.fill_crate(crate records.crate, documents uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_units uuid[] := records.all_permitted_units('records.document.read');
  v_wrong record;
  v_count integer;
begin
  -- In one order, so that two requests with the same documents wait for each other one way only.
  select count(*)
  into v_count
  from (
    select d.id
    from records.document as d
    where d.org_id = crate.org_id
      and d.id = any (documents)
      and d.unit_id = any (v_units)
    order by d.id
    for no key update
  ) as h;
  if v_count < (select count(distinct x.id) from unnest(documents) as x (id)) then
    perform core.raise_error('records.document_not_found');
  end if;

  select d.document_number, d.status, c.barcode
  into v_wrong
  from records.document as d
  left join records.crate_document as e
    on e.org_id = d.org_id
    and e.document_id = d.id
    and e.removed_at is null
  left join records.crate as c
    on c.org_id = e.org_id
    and c.id = e.crate_id
  where d.org_id = crate.org_id
    and d.id = any (documents)
    and (d.status <> 'ACTIVE' or c.id <> crate.id)
  order by d.id
  limit 1;
  if v_wrong.status = 'DESTROYED' then
    perform core.raise_error('records.document_destroyed', jsonb_build_object('number', v_wrong.document_number));
  elsif v_wrong.document_number is not null then
    perform core.raise_error(
      'records.document_in_crate', jsonb_build_object('number', v_wrong.document_number, 'barcode', v_wrong.barcode)
    );
  end if;

  update records.crate_document as e
  set
    removed_at = now(),
    removed_by = core.user_id()
  where e.org_id = crate.org_id
    and e.crate_id = crate.id
    and e.removed_at is null
    and e.document_id <> all (documents);

  insert into records.crate_document (org_id, crate_id, document_id)
  select distinct crate.org_id, crate.id, x.id
  from unnest(documents) as x (id)
  where not exists (
    select
    from records.crate_document as e
    where e.org_id = crate.org_id
      and e.document_id = x.id
      and e.removed_at is null
  );
  perform records.refresh_crates(array[crate.id]);
end
$$;

comment on function records.fill_crate(records.crate, uuid[]) is
  'Makes the contents of a proposed crate what the list says. Raises records.document_not_found (404), '
  'records.document_in_crate (409) for one that lies in another crate, records.document_destroyed (409).';

create or replace function records.check_retention(crate_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_crate records.crate;
begin
  select c.* into v_crate from records.crate as c where c.org_id = core.org_id() and c.id = crate_id;
  if v_crate.is_permanent and v_crate.minimum_on is not null then
    perform core.raise_error('records.retained_or_destroyed');
  elsif v_crate.minimum_on < core.today() then
    perform core.raise_error('records.destruction_date_past', jsonb_build_object('destruction_on', v_crate.minimum_on));
  elsif not v_crate.is_permanent
    and v_crate.minimum_on is null
    and exists (
      select
      from records.crate_document as e
      inner join records.document as d
        on d.org_id = e.org_id
        and d.id = e.document_id
      where e.org_id = v_crate.org_id
        and e.crate_id = v_crate.id
        and e.removed_at is null
        and d.retention_class_id is null
    )
  then
    perform core.raise_error('records.retention_missing');
  end if;
end
$$;

comment on function records.check_retention(uuid) is
  'Raises records.retention_missing (422) when nothing says how long a proposed crate is kept, records.retained_or_destroyed, '
  'records.destruction_date_past (422).';

create or replace function records.is_date(value text)
returns boolean
language sql
stable
parallel safe
return is_date.value is null or (is_date.value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' and pg_input_is_valid(is_date.value, 'date'));

comment on function records.is_date(text) is
  'Whether a text is a day as 2026-12-31, and neither yesterday nor infinity; null is one';
