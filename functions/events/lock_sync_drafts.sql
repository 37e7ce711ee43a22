-- Holds the drafts of a push, so that they stay as they are found.

create or replace function events.lock_sync_drafts(device_id uuid, changes jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_view text;
  v_ids uuid[];
begin
  for v_view, v_ids in
    select t.view_name, array_agg(distinct p.root_id)
    from events.read_sync_push(lock_sync_drafts.device_id, lock_sync_drafts.changes) as p
    join core.sync_table as t on t.name = p.root_table
    where p.push_kind in ('DRAFT', 'LINE')
      and p.root_id is not null
    group by t.sort_order, t.view_name
    order by t.sort_order
  loop
    -- Who may not change a draft locks nothing, and is refused later.
    continue when not has_any_column_privilege(format('api.%I', v_view)::regclass, 'update');
    execute format(
      $query$
      select count(*)
      from (select from api.%I as v where v.org_id = $1 and v.id = any ($2) order by v.id for no key update) as l
      $query$,
      v_view
    )
    using core.org_id(), v_ids;
  end loop;
end
$$;

comment on function events.lock_sync_drafts(uuid, jsonb) is
  'Lock the drafts that a push changes, in the order of their ids, until the transaction ends';

grant execute on function events.lock_sync_drafts(uuid, jsonb) to member, partner;
