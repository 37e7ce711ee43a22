-- Who counts.

create or replace function api.wms_count_assign(id uuid, user_ids uuid[], version integer default null)
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
  v_unknown uuid;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.plan');
  v_count := wms.lock_count(
    wms_count_assign.id, wms_count_assign.version, array['PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING']
  );
  v_unknown := (
    select u.user_id
    from unnest(wms_count_assign.user_ids) as u (user_id)
    where not exists (
      select
      from core.membership as m
      where m.org_id = v_count.org_id
        and m.user_id = u.user_id
        and m.kind = 'INTERNAL'
    )
    limit 1
  );
  if v_unknown is not null or array_position(wms_count_assign.user_ids, null) is not null then
    perform core.raise_error('wms.counter_unknown', jsonb_build_object('user_id', v_unknown));
  end if;

  update wms.count_session as c
  set assigned = array(
    select distinct u.user_id
    from unnest(wms_count_assign.user_ids) as u (user_id)
    order by u.user_id
  )
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  return v_row;
end
$$;

comment on function api.wms_count_assign(uuid, uuid[], integer) is
  'Say who counts
Only these users record what they count (they still need the right to it), and of a blind count only they do not see the stock
that is counted; none: whoever may record counts. Refused: wms.counter_unknown (422: no internal user of the organisation). Needs
wms.count.plan.';

grant execute on function api.wms_count_assign(uuid, uuid[], integer) to member, superadmin, migrator;
