-- A draft as a device has it.

create or replace function wms.put_synced_document(id uuid, content jsonb, is_deleted boolean, lines jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_document api.wms_documents;
  v_header record;
  v_lines jsonb;
  v_present jsonb;
begin
  -- It was locked before, by events.lock_sync_drafts, if the caller may change it.
  select d.* into v_document from api.wms_documents as d where d.id = put_synced_document.id;
  -- What is gone already need not be removed.
  if v_document.id is null
    and content is null
    and not jsonb_path_exists(put_synced_document.lines, '$[*] ? (@.content != null)')
  then
    return;
  elsif is_deleted then
    perform api.wms_document_delete(put_synced_document.id, v_document.version);
    return;
  end if;

  -- A line that the device did not name stays; the order is that of the line numbers, new ones come last.
  with given as (
    select g.n, r.*, (g.line ->> 'id')::uuid as line_id, coalesce(jsonb_typeof(g.line -> 'content') <> 'object', true) as is_gone
    from jsonb_array_elements(put_synced_document.lines) with ordinality as g (line, n)
    cross join lateral jsonb_to_record(
      case jsonb_typeof(g.line -> 'content') when 'object' then g.line -> 'content' else '{}' end
    ) as r (
      line_no numeric,
      item_id uuid,
      lot_id uuid,
      from_position_id uuid,
      to_position_id uuid,
      quantity numeric,
      unit_code text,
      unit_price numeric
    )
  ),
  present as (
    select
      0::bigint as n, l.line_no::numeric as line_no, l.item_id, l.lot_id, l.from_position_id, l.to_position_id, l.quantity,
      l.unit_code, l.unit_price, l.id as line_id
    from api.wms_document_lines as l
    where l.org_id = core.org_id()
      and l.document_id = put_synced_document.id
  ),
  wanted as (
    select p.* from present as p where not exists (select from given as g where g.line_id = p.line_id)
    union all
    select
      g.n, nullif(g.line_no, 0), g.item_id, g.lot_id, g.from_position_id, g.to_position_id, g.quantity, g.unit_code, g.unit_price,
      g.line_id
    from given as g
    where not g.is_gone
  )
  select
    (
      select jsonb_agg(
        jsonb_build_object(
          'id', w.line_id, 'item_id', w.item_id, 'lot_id', w.lot_id, 'from_position_id', w.from_position_id,
          'to_position_id', w.to_position_id, 'quantity', trim_scale(w.quantity), 'unit_code', w.unit_code,
          'unit_price', trim_scale(w.unit_price)
        )
        order by w.line_no nulls last, w.n
      )
      from wanted as w
    ),
    (
      select jsonb_agg(
        jsonb_build_object(
          'id', p.line_id, 'item_id', p.item_id, 'lot_id', p.lot_id, 'from_position_id', p.from_position_id,
          'to_position_id', p.to_position_id, 'quantity', trim_scale(p.quantity), 'unit_code', p.unit_code,
          'unit_price', trim_scale(p.unit_price)
        )
        order by p.line_no
      )
      from present as p
    )
  into v_lines, v_present;

  select r.*
  into v_header
  from jsonb_to_record(coalesce(put_synced_document.content, '{}')) as r (
    document_type text,
    from_location_id uuid,
    to_location_id uuid,
    partner_id uuid,
    reference text,
    posting_date date
  );
  if v_document.id is null then
    if content is null then
      perform core.raise_error('wms.document_not_found', jsonb_build_object('id', put_synced_document.id));
    end if;
    perform api.wms_document_create(
      v_header.document_type, v_header.from_location_id, v_header.to_location_id, v_header.partner_id, v_header.reference,
      v_header.posting_date, v_lines, put_synced_document.id
    );
    return;
  end if;

  if content is not null
    and (v_header.partner_id, v_header.reference, v_header.posting_date)
      is distinct from (v_document.partner_id, v_document.reference, v_document.posting_date)
  then
    perform core.require_permission('wms.document.update');
    update api.wms_documents as d
    set
      partner_id = v_header.partner_id,
      reference = v_header.reference,
      posting_date = v_header.posting_date,
      version = v_document.version
    where d.id = put_synced_document.id;
    select d.version into v_document.version from api.wms_documents as d where d.id = put_synced_document.id;
  end if;
  if v_lines is distinct from v_present then
    perform api.wms_document_lines_put(put_synced_document.id, v_document.version, v_lines);
  end if;
end
$$;

comment on function wms.put_synced_document(uuid, jsonb, boolean, jsonb) is
  'Make a draft as a device has it, change its partner, reference, date and lines, or delete it: by the functions of the API, '
  'with the rights of the caller. lines holds those that the device changed ({id, content}; content null: removed); content is '
  'null when it changed lines alone.';

grant execute on function wms.put_synced_document(uuid, jsonb, boolean, jsonb) to member, partner;
