-- What a scanner shows: whatever carries this barcode, and what the person who holds the scanner may do with it.

create or replace function api.records_scan(barcode text)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_code text := btrim(barcode);
  v_crate api.records_crates;
  v_document api.records_documents;
  v_place api.records_places;
  v_request api.records_requests;
  v_requests boolean;
begin
  select c.* into v_crate from api.records_crates as c where c.org_id = v_org and c.barcode = v_code;
  if not found then
    select d.* into v_document from api.records_documents as d where d.org_id = v_org and d.barcode = v_code;
    if not found then
      select d.* into v_document from api.records_documents as d where d.org_id = v_org and d.document_number = v_code;
    end if;
    if found then
      select c.*
      into v_crate
      from records.crate_document as e
      inner join api.records_crates as c
        on c.org_id = e.org_id
        and c.id = e.crate_id
      where e.org_id = v_org
        and e.document_id = v_document.id
        and e.removed_at is null;
    else
      select p.*
      into v_place
      from api.records_places as p
      where p.org_id = v_org
        and p.code = split_part(v_code, '/', -1)
        and records.place_name(p.id) = v_code;
      if not found then
        perform core.raise_error('records.barcode_unknown', jsonb_build_object('barcode', v_code));
      end if;
    end if;
  end if;

  select r.*
  into v_request
  from api.records_requests as r
  where r.org_id = v_org
    and r.crate_id = v_crate.id
    and r.status in ('PENDING', 'SENT_BACK', 'APPROVED', 'ISSUED', 'PARTIALLY_RETURNED', 'IN_TRANSIT');
  v_requests := v_request.id is null
    and v_crate.status in ('ACTIVE', 'ARCHIVED')
    and core.has_permission('records.request.create', v_crate.unit_id);

  return jsonb_build_object(
    'kind', case when v_place.id is not null then 'PLACE' when v_document.id is not null then 'DOCUMENT' else 'CRATE' end,
    'document', case when v_document.id is not null then
      jsonb_build_object(
        'id', v_document.id, 'document_number', v_document.document_number, 'name', v_document.name, 'status', v_document.status,
        'due_on', v_document.due_on,
        'is_out', exists (
          select
          from api.records_request_documents as x
          where x.org_id = v_org and x.document_id = v_document.id and x.is_out
        )
      )
    end,
    'crate', case when v_crate.id is not null then
      jsonb_build_object(
        'id', v_crate.id, 'barcode', v_crate.barcode, 'status', v_crate.status, 'unit', records.unit_name(v_crate.unit_id),
        'place', records.place_name(v_crate.location_id), 'location_id', v_crate.location_id, 'holder_id', v_crate.holder_id,
        'since', v_crate.held_since, 'destruction_on', v_crate.destruction_on, 'is_retained', v_crate.is_retained,
        'is_for_central', v_crate.is_for_central
      )
    end,
    'contents', case when v_crate.id is not null then
      (
        select coalesce(
          jsonb_agg(jsonb_build_object('id', d.document_id, 'document_number', d.document_number, 'name', d.document_name)
            order by d.document_number), '[]'
        )
        from api.records_crate_documents as d
        where d.org_id = v_org and d.crate_id = v_crate.id and d.removed_at is null
      )
    end,
    'place', case when v_place.id is not null then
      jsonb_build_object(
        'id', v_place.id, 'name', records.place_name(v_place.id), 'kind', v_place.kind, 'crates', v_place.crates,
        'capacity_crates', v_place.capacity_crates, 'free', v_place.free, 'is_active', v_place.is_active
      )
    end,
    -- Everything under a rack, too.
    'crates', case when v_place.id is not null then
      (
        select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'barcode', c.barcode, 'place', c.place) order by c.barcode), '[]')
        from (
          select c.id, c.barcode, records.place_name(b.id) as place
          from core.location as a
          inner join core.location as b
            on b.org_id = a.org_id
            and b.path operator (public.<@) a.path
          inner join records.custody as u
            on u.org_id = b.org_id
            and u.location_id = b.id
            and upper_inf(u.during)
          inner join records.crate as c
            on c.org_id = u.org_id
            and c.id = u.crate_id
          where a.org_id = v_org and a.id = v_place.id
          order by c.barcode
          limit 100
        ) as c
      )
    end,
    'request', case when v_request.id is not null then
      jsonb_build_object(
        'id', v_request.id, 'number', v_request.request_no, 'kind', v_request.kind, 'status', v_request.status,
        'expected_return_on', v_request.expected_return_on, 'requested_by', v_request.requested_by
      )
    end,
    'actions', (
      select coalesce(jsonb_agg(distinct a.action), '[]')
      from (
        select t.action
        from core.transition as t
        where t.entity = 'records.' || lower(v_request.kind)
          and t.from_status = v_request.status
          and core.has_permission(
            coalesce(t.permission, 'records.request.approve'),
            case t.unit_column when 'target_unit_id' then v_request.target_unit_id else v_request.unit_id end
          )
          and ('requested_by' <> all (coalesce(t.other_than, '{}')) or v_request.requested_by <> core.user_id())
          and (v_request.status <> 'SENT_BACK' or v_request.requested_by = core.user_id())
        union all
        select x.action
        from unnest(array['request_withdrawal', 'request_transfer', 'request_destruction']) as x (action)
        where v_requests
        union all
        select 'relocate'
        where v_crate.status in ('ACTIVE', 'ARCHIVED') and core.has_permission('records.crate.relocate', v_crate.unit_id)
        union all
        select case v_crate.status when 'ACTIVE' then 'archive' else 'restore' end
        where v_crate.status in ('ACTIVE', 'ARCHIVED') and core.has_permission('records.crate.archive', v_crate.unit_id)
      ) as a
    )
  );
end
$$;

comment on function api.records_scan(text) is
  'What carries a barcode, and what may be done with it
Of a crate: place or holder, contents, the open request. Of a document (its barcode or number): the crate that it belongs into. Of
a place (codes from the root down, joined by /): how full it is, and the first 100 crates in it and below. actions: what the
caller may do now, by the names of /transitions, and request_withdrawal, request_transfer, request_destruction, relocate, archive,
restore. Refused: records.barcode_unknown (404), also for what the caller does not see.';

grant execute on function api.records_scan(text) to member, superadmin, migrator;
