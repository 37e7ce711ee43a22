-- A document that is made and posted in one go, for functions that have checked the right to it.

create or replace function wms.post_at_once(
  document_type text,
  from_location_id uuid,
  to_location_id uuid,
  lines jsonb,
  reason text default null,
  reference text default null,
  posting_date date default null,
  partner_id uuid default null
)
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := uuidv7();
  v_from uuid := post_at_once.from_location_id;
  v_to uuid := post_at_once.to_location_id;
  v_given jsonb := post_at_once.lines;
  v_take_lines uuid[];
  v_take_reservations uuid[];
  v_lines wms.document_line[];
  v_document wms.document;
begin
  if document_type in ('ADJUSTMENT', 'COUNT', 'MOVE') then
    v_from := coalesce(v_from, v_to);
    v_to := coalesce(v_to, v_from);
  end if;
  perform wms.check_header(document_type, v_from, v_to, partner_id);

  if jsonb_typeof(v_given) = 'array' and jsonb_path_exists(v_given, '$[*].reservation_id') then
    select
      jsonb_agg(l.line - 'reservation_id' || jsonb_build_object('id', l.id) order by l.n),
      array_agg(l.id order by l.n) filter (where l.reservation_id is not null),
      array_agg(l.reservation_id order by l.n) filter (where l.reservation_id is not null)
    into v_given, v_take_lines, v_take_reservations
    from (
      select
        e.line,
        e.n,
        coalesce((e.line ->> 'id')::uuid, uuidv7()) as id,
        (e.line ->> 'reservation_id')::uuid as reservation_id
      from jsonb_array_elements(v_given) with ordinality as e (line, n)
      offset 0
    ) as l;
  end if;
  v_lines := wms.read_lines(v_id, document_type, v_from, v_to, v_given);

  insert into wms.document (
    org_id, id, document_type, status, from_location_id, to_location_id, partner_id, reference, posting_date, currency,
    status_reason, line_count, total
  )
  select
    v_org,
    v_id,
    post_at_once.document_type,
    'POSTING',
    v_from,
    v_to,
    post_at_once.partner_id,
    nullif(btrim(post_at_once.reference), ''),
    post_at_once.posting_date,
    o.base_currency,
    nullif(btrim(post_at_once.reason), ''),
    cardinality(v_lines),
    (select coalesce(sum(round(l.quantity * l.unit_price, 4)), 0) from unnest(v_lines) as l)
  from core.organization as o
  where o.id = v_org;
  perform wms.write_lines(v_lines);

  select d.* into v_document from wms.document as d where d.org_id = v_org and d.id = v_id;
  perform wms.post_documents(array[v_document], v_take_lines, v_take_reservations);

  select d.* into v_document from wms.document as d where d.org_id = v_org and d.id = v_id;
  return v_document;
end
$$;

comment on function wms.post_at_once(text, uuid, uuid, jsonb, text, text, date, uuid) is
  'Makes and posts a document for a function that has checked the right to do so; returns it. ADJUSTMENT, COUNT and MOVE '
  'take their warehouse from either end. lines as in wms_document_create, with from_position_id and to_position_id where '
  'the defaults will not do; a line of an adjustment or a count names the position at one end. A line with '
  'reservation_id takes its goods out of that reservation: a MOVE or TRANSFER carries the hold along to the place that it '
  'reaches. Raises what wms_document_create and wms_document_post raise, and wms.reservation_ended (409).';
