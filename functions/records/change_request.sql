-- What may be changed of a draft, or of what was sent back.

create or replace function records.change_request(request records.request, changes jsonb)
returns records.request
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_crate records.crate;
  v_request records.request := request;
  v_wrong text;
begin
  if changes is null or changes = '{}' then
    return request;
  elsif jsonb_typeof(changes) <> 'object' then
    perform core.raise_error('records.change_unknown', jsonb_build_object('key', jsonb_typeof(changes), 'kind', request.kind));
  end if;
  select min(k.key)
  into v_wrong
  from jsonb_object_keys(changes) as k (key)
  where k.key <> 'purpose'
    and not (request.kind = 'STORAGE' and k.key in ('documents', 'destruction_on', 'is_permanent', 'is_for_central'))
    and not (request.kind = 'WITHDRAWAL' and k.key in ('documents', 'expected_return_on'))
    and not (request.kind = 'TRANSFER' and k.key = 'target_unit_id');
  if v_wrong is not null then
    perform core.raise_error('records.change_unknown', jsonb_build_object('key', v_wrong, 'kind', request.kind));
  end if;
  select min(k.key)
  into v_wrong
  from jsonb_each_text(changes) as k (key, value)
  where k.key like '%\_on' and not pg_input_is_valid(k.value, 'date')
    or k.key like '%\_id' and not pg_input_is_valid(k.value, 'uuid')
    or k.key like 'is\_%' and not pg_input_is_valid(k.value, 'boolean');
  if v_wrong is not null then
    perform core.raise_error('records.change_malformed', jsonb_build_object('key', v_wrong));
  end if;

  v_crate := records.lock_crate(request.crate_id);
  if request.kind = 'STORAGE' then
    update records.crate as c
    set
      is_permanent = coalesce((changes ->> 'is_permanent')::boolean, c.is_permanent),
      is_for_central = coalesce((changes ->> 'is_for_central')::boolean, c.is_for_central),
      minimum_on = n.minimum_on,
      -- Follows below from the documents, too.
      is_retained = true,
      destruction_on = null
    from (
      select
        case
          when changes ? 'destruction_on' then (changes ->> 'destruction_on')::date
          when (changes ->> 'is_permanent')::boolean then null
          else v_crate.minimum_on
        end as minimum_on
    ) as n
    where c.org_id = v_crate.org_id
      and c.id = v_crate.id;
    if changes ? 'documents' then
      perform records.fill_crate(v_crate, records.read_documents(request.unit_id, changes -> 'documents'));
    else
      perform records.refresh_crates(array[v_crate.id]);
    end if;
  elsif request.kind = 'WITHDRAWAL' and changes ? 'documents' then
    v_request.is_full := jsonb_typeof(changes -> 'documents') = 'null';
    if not v_request.is_full and (
      jsonb_typeof(changes -> 'documents') <> 'array' or jsonb_array_length(changes -> 'documents') = 0
      or exists (
        select from jsonb_array_elements_text(changes -> 'documents') as e (id) where not pg_input_is_valid(e.id, 'uuid')
      )
    ) then
      perform core.raise_error('records.documents_malformed');
    end if;
    perform records.list_documents(
      v_request,
      case
        when not v_request.is_full
          then array(select e.id::uuid from jsonb_array_elements_text(changes -> 'documents') as e (id))
      end
    );
  end if;

  if changes ? 'purpose' then
    v_request.purpose := nullif(btrim(changes ->> 'purpose'), '');
  end if;
  v_request.expected_return_on := coalesce((changes ->> 'expected_return_on')::date, request.expected_return_on);
  v_request.target_unit_id := coalesce((changes ->> 'target_unit_id')::uuid, request.target_unit_id);
  perform records.check_wishes(v_request);

  update records.request as r
  set
    purpose = v_request.purpose,
    expected_return_on = v_request.expected_return_on,
    target_unit_id = v_request.target_unit_id,
    is_full = v_request.is_full,
    document_count = (
      select count(*) from records.request_document as d where d.org_id = r.org_id and d.request_id = r.id
    )
  where r.org_id = request.org_id
    and r.id = request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function records.change_request(records.request, jsonb) is
  'Changes what a request asks for: purpose; of a storage documents, destruction_on, is_permanent, is_for_central; of a '
  'withdrawal documents (null: the whole crate), expected_return_on; of a transfer target_unit_id. Raises '
  'records.change_unknown, change_malformed (422) and what a new request would.';
