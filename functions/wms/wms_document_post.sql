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
  v_row api.wms_documents;
  v_ignored boolean; -- an assignment takes less than a statement
begin
  v_ignored := core.require_permission_once('wms.document.post') is null;
  v_document := wms.lock_document(id, version, '{DRAFT,RESERVED,PICKING,PACKED}');
  v_ignored := wms.post_documents(array[v_document]) is null;

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
