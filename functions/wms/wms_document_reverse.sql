-- Undoes a posted document, by another one.

create or replace function api.wms_document_reverse(id uuid, reason text, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: balances, ledger, numbers and status are written by functions only
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_document wms.document;
  v_mirror wms.document;
  v_mirror_id uuid := uuidv7();
  v_lines wms.document_line[];
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.reverse');
  v_document := wms.lock_document(id, version, '{POSTED,REVERSED}');
  if v_document.status = 'REVERSED' then
    perform core.raise_error('wms.document_reversed', jsonb_build_object('number', v_document.number, 'id', id));
  elsif v_document.reverses is not null then
    perform core.raise_error('wms.reversal_stands', jsonb_build_object('number', v_document.number, 'id', id));
  end if;

  -- What went from one place to another goes back, as the ledger says: lots and places of a reservation are not in the line.
  select array_agg(
    row(
      v_document.org_id, v_mirror_id, uuidv7(), m.line_no, m.item_id, m.lot_id, m.to_position_id, m.location_id,
      m.quantity, m.unit_code, m.quantity_base, m.unit_price, null, now(), core.user_id(), m.value
    )::wms.document_line
    order by m.line_no
  )
  into v_lines
  from (
    select
      row_number() over (order by l.line_no, s.id)::integer as line_no,
      l.item_id,
      s.lot_id,
      l.to_position_id,
      s.location_id,
      case when - s.delta = l.quantity_base then l.quantity else - s.delta end as quantity,
      case when - s.delta = l.quantity_base then l.unit_code else i.unit_code end as unit_code,
      - s.delta as quantity_base,
      case
        when - s.delta = l.quantity_base then l.unit_price
        else round(l.unit_price * l.quantity / l.quantity_base, 4)
      end as unit_price,
      - s.value_delta as value
    from wms.document_line as l
    inner join core.item as i
      on i.org_id = l.org_id
      and i.id = l.item_id
    inner join wms.stock_ledger as s
      on s.org_id = l.org_id
      and s.document_id = l.document_id
      and s.line_id = l.id
      and s.delta < 0
    where l.org_id = v_document.org_id
      and l.document_id = v_document.id
  ) as m;

  insert into wms.document (
    org_id, id, document_type, status, from_location_id, to_location_id, partner_id, reference, currency, status_reason,
    reverses, line_count, total
  )
  values (
    v_document.org_id, v_mirror_id, v_document.document_type, 'POSTING', v_document.to_location_id,
    v_document.from_location_id, v_document.partner_id, v_document.reference, v_document.currency,
    nullif(btrim(reason), ''), v_document.id, cardinality(v_lines),
    (select coalesce(sum(round(l.quantity * l.unit_price, 4)), 0) from unnest(v_lines) as l)
  );
  perform wms.write_lines(v_lines);
  insert into wms.reversal (org_id, document_id, reversal_id)
  values (v_document.org_id, v_document.id, v_mirror_id);

  update wms.document as d
  set
    status = 'REVERSED',
    status_reason = nullif(btrim(reason), '')
  where d.org_id = v_document.org_id
    and d.id = v_document.id;

  select d.* into v_mirror from wms.document as d where d.org_id = v_document.org_id and d.id = v_mirror_id;
  perform wms.post_documents(array[v_mirror]);

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_mirror_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_reverse(uuid, text, integer) is
  'Reverse a posted document: post its mirror today, and return that
The same lines go back from where they went to where they came from, at the value that they had; the document becomes REVERSED and
the mirror names it in reverses. Refused: wms.document_reversed, wms.reversal_stands (a mirror is not reversed),
wms.document_status (409), wms.insufficient_stock (422: the goods have gone on), core.reason_missing (422), wms.period_closed (423).
Needs wms.document.reverse.';

grant execute on function api.wms_document_reverse(uuid, text, integer) to member, superadmin, migrator;
