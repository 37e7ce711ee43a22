-- A count that comes to nothing.

create or replace function api.wms_count_cancel(id uuid, reason text, version integer default null)
returns api.wms_counts
language plpgsql
volatile
parallel unsafe
-- definer: counts are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count wms.count_session;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.plan');
  v_count := wms.lock_count(
    wms_count_cancel.id, wms_count_cancel.version, array['PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING']
  );

  update wms.count_line as l
  set is_open = false
  where l.org_id = v_count.org_id
    and l.count_id = v_count.id;
  update wms.count_session as c
  set
    status = 'CANCELLED',
    status_reason = nullif(btrim(wms_count_cancel.reason), '')
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_cancel(uuid, text, integer) is
  'Cancel a count that is not posted
Changes no stock; a reason is needed. Of a blind one it is never told what was expected. Needs wms.count.plan.';

grant execute on function api.wms_count_cancel(uuid, text, integer) to member, superadmin, migrator;
