-- A new draft with its lines.

create or replace function api.wms_document_create(
  document_type text,
  from_location_id uuid default null,
  to_location_id uuid default null,
  partner_id uuid default null,
  reference text default null,
  posting_date date default null,
  lines jsonb default null,
  id uuid default null
)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: documents and lines are written by these functions only, nobody has a grant to insert them
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_document_create.id, uuidv7());
  v_from uuid := wms_document_create.from_location_id;
  v_to uuid := wms_document_create.to_location_id;
  v_lines wms.document_line[];
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.create');
  if wms_document_create.id is not null then
    perform core.check_new_id('wms.document', v_id);
    if exists (select from wms.document as d where d.org_id = v_org and d.id = v_id) then
      perform core.raise_error('wms.document_exists', jsonb_build_object('id', v_id));
    end if;
  end if;
  if document_type in ('ADJUSTMENT', 'COUNT', 'MOVE') then
    v_from := coalesce(v_from, v_to);
    v_to := coalesce(v_to, v_from);
  end if;
  perform wms.check_header(document_type, v_from, v_to, partner_id);
  v_lines := wms.read_lines(v_id, document_type, v_from, v_to, lines);

  insert into wms.document (
    org_id, id, document_type, from_location_id, to_location_id, partner_id, reference, posting_date, currency, line_count,
    total
  )
  select
    v_org,
    v_id,
    wms_document_create.document_type,
    v_from,
    v_to,
    wms_document_create.partner_id,
    nullif(btrim(wms_document_create.reference), ''),
    wms_document_create.posting_date,
    o.base_currency,
    cardinality(v_lines),
    (select coalesce(sum(round(l.quantity * l.unit_price, 4)), 0) from unnest(v_lines) as l)
  from core.organization as o
  where o.id = v_org;

  perform wms.write_lines(v_lines);

  select d.* into v_row from api.wms_documents as d where d.org_id = v_org and d.id = v_id;
  return v_row;
end
$$;

comment on function api.wms_document_create(text, uuid, uuid, uuid, text, date, jsonb, uuid) is
  'Make a draft of a warehouse document
IMPORT and RETURN need to_location_id, EXPORT and SALE from_location_id, TRANSFER both, MOVE, ADJUSTMENT and COUNT one of them:
ids of warehouses. lines is an array of objects with item_id and quantity, and optionally lot_id, unit_code (the item''s),
unit_price, from_position_id, to_position_id and id; positions left out are the default ones of the warehouse. A line of an
adjustment or a count names the position at one end, to_position_id for what is more; one of a move names both. id may be made by
the client (UUID version 7).
Needs wms.document.create.';

grant execute on function api.wms_document_create(text, uuid, uuid, uuid, text, date, jsonb, uuid)
to member, superadmin, migrator;
