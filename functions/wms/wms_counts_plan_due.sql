-- Counts of what is due.

create or replace function api.wms_counts_plan_due(warehouse_id uuid)
returns setof api.wms_counts
language plpgsql
volatile
parallel unsafe
rows 10
-- definer: counts are written by these functions only, nobody has a grant to insert them
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_planned uuid[];
begin
  perform core.require_permission('wms.count.plan');
  if not exists (
    select
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_counts_plan_due.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  end if;
  v_planned := wms.plan_due_counts(wms_counts_plan_due.warehouse_id);

  return query
    select c.*
    from api.wms_counts as c
    where c.org_id = v_org
      and c.id = any (v_planned)
    order by c.id;
end
$$;

comment on function api.wms_counts_plan_due(uuid) is
  'Plan counts of what the rules of a warehouse have counted today
One count for each rule of which something is due and whose last count is over; returns them. A job does the same each night. The
list is made when a count is started, of what is due then. Refused: wms.not_a_warehouse (422). Needs wms.count.plan.';

grant execute on function api.wms_counts_plan_due(uuid) to member, superadmin, migrator;

-- Definer: the worker finds the organisations, and writes nothing by itself.
create or replace function wms.plan_due_counts(warehouse_id uuid default null)
returns uuid[]
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_today date := core.today();
  v_rule wms.count_rule;
  v_id uuid;
  v_planned uuid[] := '{}';
begin
  for v_rule in
    select r.*
    from wms.count_rule as r
    where r.org_id = v_org
      and r.is_active
      and (plan_due_counts.warehouse_id is null or r.warehouse_id = plan_due_counts.warehouse_id)
      and not exists (
        select
        from wms.count_session as c
        where c.org_id = r.org_id
          and c.rule_id = r.id
          and c.status in ('PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING')
      )
    order by r.id
  loop
    if not exists (select from wms.balances_due(v_rule, v_today)) then
      continue;
    end if;
    v_id := null;
    -- Of two who plan at once one does.
    insert into wms.count_session (
      org_id, warehouse_id, zone, item_class, is_blind, planned_on, note, rule_id
    )
    values (
      v_org, v_rule.warehouse_id, v_rule.zone, v_rule.item_class, v_rule.is_blind, v_today,
      concat_ws(', ', 'Due every ' || v_rule.every_days || ' days', 'class ' || v_rule.abc_class), v_rule.id
    )
    on conflict (org_id, rule_id) where status in ('PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING') do nothing
    returning id into v_id;
    if v_id is not null then
      v_planned := v_planned || v_id;
    end if;
  end loop;
  return v_planned;
end
$$;

comment on function wms.plan_due_counts(uuid) is
  'Plans a count for each active rule of the organisation, of one warehouse if it is named, of which something is due and '
  'which has no count that goes on; returns their ids.';

grant execute on function wms.plan_due_counts(uuid) to worker, migrator;

create or replace function wms.plan_cycle_counts()
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid;
  v_planned integer := 0;
begin
  for v_org in
    select distinct r.org_id
    from wms.count_rule as r
    where r.is_active
    order by r.org_id
  loop
    perform set_config('erpgres.org_id', v_org::text, true);
    v_planned := v_planned + cardinality(wms.plan_due_counts());
    perform set_config('erpgres.org_id', '', true);
  end loop;
  return jsonb_build_object('planned', v_planned);
end
$$;

comment on function wms.plan_cycle_counts() is
  'Plans the counts that are due in every organisation; returns how many. To be run each night.';

grant execute on function wms.plan_cycle_counts() to worker, migrator;
