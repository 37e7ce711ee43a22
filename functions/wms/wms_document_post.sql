-- The heart of the warehouse: a draft becomes a fact.

create or replace function api.wms_document_post(id uuid, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: balances, ledger, numbers and status are written by this function only
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_document wms.document;
  v_today date;
  v_date date;
  v_occurred_at timestamptz;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.post');

  -- The order of locks, the same for every posting: document, balances by key, counter of the numbers.
  v_document := wms.lock_draft(id, version);
  perform wms.check_for_posting(v_document);

  v_today := core.today();
  v_date := coalesce(v_document.posting_date, v_today);
  v_occurred_at := (
    select case
      when v_date = v_today then date_trunc('milliseconds', now())
      else (v_date + 1)::timestamp at time zone o.time_zone - interval '1 millisecond'
    end
    from core.organization as o
    where o.id = v_document.org_id
  );
  perform wms.move_stock(v_document, v_occurred_at);

  -- The number comes last: postings of the same type wait for each other from here to their commit.
  update wms.document as d
  set
    status = 'POSTED',
    number = core.next_number('wms.' || lower(v_document.document_type), v_document.id, null, v_date),
    posting_date = v_date,
    posted_at = now(),
    posted_by = core.user_id()
  where d.org_id = v_document.org_id
    and d.id = v_document.id;

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_post(uuid, integer) is
  'Post a draft: move the stock of all its lines, and give it its number
All or nothing. Refused: wms.document_not_found (404), wms.document_not_draft (409), core.stale_version (412),
wms.insufficient_stock (422; the details name item, requested and available of every short line), wms.lot_not_approved (423),
wms.lot_required, wms.item_inactive, wms.place_inactive, wms.place_elsewhere, wms.posting_date_ahead (422), wms.busy (503:
nothing happened, try again). Needs wms.document.post.';

grant execute on function api.wms_document_post(uuid, integer) to member, superadmin, migrator;
