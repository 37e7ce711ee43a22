-- Gives an organisation the approval policies that it begins with.

create or replace function core.reset_approval_policies(org_id uuid, entity text default null)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_policies integer;
begin
  delete from core.approval_policy as p
  where p.org_id = reset_approval_policies.org_id and p.entity = coalesce(reset_approval_policies.entity, p.entity);
  insert into core.approval_policy (org_id, entity, kind, step_no, amount_from, permission, needs_signature, note)
  select
    reset_approval_policies.org_id, d.entity, nullif(d.kind, '*'), d.step_no, d.amount_from, d.permission,
    d.needs_signature, d.note
  from core.approval_default as d
  where d.entity = coalesce(reset_approval_policies.entity, d.entity)
  order by d.entity, d.kind, d.step_no, d.amount_from;
  get diagnostics v_policies = row_count;
  return v_policies;
end
$$;

comment on function core.reset_approval_policies(uuid, text) is
  'Make the approval policies of an organisation, or those of one entity, what core.approval_default says; returns how many '
  'there are';

grant execute on function core.reset_approval_policies(uuid, text) to migrator;
