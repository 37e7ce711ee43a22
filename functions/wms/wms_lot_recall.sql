-- Recalls a lot and says where it is to be fetched from.

create or replace function api.wms_lot_recall(lot_id uuid, reason text, version integer default null)
returns api.wms_lot_whereabouts
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- It checks the right, the step and the reason, and lets go what was promised of the lot.
  perform api.wms_lot_set_status(lot_id, 'RECALLED', reason, version);
  return api.wms_lot_report(lot_id);
end
$$;

comment on function api.wms_lot_recall(uuid, text, integer) is
  'Recall a lot: nothing of it moves any more
The answer is that of wms_lot_report: what is still in the house and who received how much by which documents. Needs
wms.lot.set_status. Errors: wms.lot_not_found (404), wms.lot_status_unchanged, core.transition_refused (409),
core.reason_missing (422), core.stale_version (412).';

grant execute on function api.wms_lot_recall(uuid, text, integer) to member, superadmin, migrator;
