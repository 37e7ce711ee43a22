-- Decides the next step of an approval.

-- Definer: approvals are written by these functions only.
create or replace function core.decide_approval(
  approval_id uuid,
  decision text,
  reason text default null,
  signature_id uuid default null
)
returns core.approval
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := core.user_id();
  v_approval core.approval;
  v_step core.approval_step;
  v_function text;
begin
  if coalesce(decide_approval.decision, '') not in ('APPROVE', 'REJECT', 'SEND_BACK') then
    perform core.raise_error(
      'core.approval_decision_unknown', jsonb_build_object('decision', decide_approval.decision)
    );
  end if;
  -- Locked, so that of two who decide at once the second sees what the first did.
  select a.*
  into v_approval
  from core.approval as a
  where a.org_id = core.org_id() and a.id = decide_approval.approval_id
  for no key update;
  if not found then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', 'approval', 'id', decide_approval.approval_id)
    );
  end if;
  if v_approval.status <> 'PENDING' then
    perform core.raise_error(
      'core.approval_not_pending', jsonb_build_object('id', v_approval.id, 'status', v_approval.status)
    );
  end if;
  select s.*
  into strict v_step
  from core.approval_step as s
  where s.org_id = v_approval.org_id and s.approval_id = v_approval.id and s.decision is null
  order by s.step_no
  limit 1;
  perform core.require_permission(v_step.permission, v_approval.unit_id);
  if v_user_id = v_approval.requested_by or exists (
    select
    from core.approval_step as s
    where s.org_id = v_approval.org_id and s.approval_id = v_approval.id and s.decided_by = v_user_id
  ) then
    perform core.raise_error(
      'core.same_person',
      jsonb_build_object('entity', v_approval.entity, 'action', lower(replace(decide_approval.decision, '_', ' ')))
    );
  end if;
  if decide_approval.decision <> 'APPROVE' and coalesce(btrim(decide_approval.reason), '') = '' then
    perform core.raise_error(
      'core.reason_missing',
      jsonb_build_object('entity', v_approval.entity, 'action', lower(replace(decide_approval.decision, '_', ' ')))
    );
  end if;
  -- The tools, who are nobody, cannot sign.
  if (v_step.needs_signature and v_user_id is not null) or decide_approval.signature_id is not null then
    perform core.require_signature(
      v_approval.entity, v_approval.entity_id, decide_approval.decision, decide_approval.signature_id
    );
  end if;

  update core.approval_step as s
  set
    decided_by = v_user_id,
    decided_at = now(),
    decision = decide_approval.decision,
    reason = nullif(btrim(decide_approval.reason), ''),
    signature_id = decide_approval.signature_id
  where s.org_id = v_step.org_id and s.id = v_step.id;

  if decide_approval.decision = 'APPROVE' and v_step.step_no < v_approval.step_count then
    perform core.open_approval_step(v_approval.org_id, v_approval.id);
    return v_approval;
  end if;
  update core.approval as a
  set
    status = case decide_approval.decision
      when 'APPROVE' then 'APPROVED' when 'REJECT' then 'REJECTED' else 'SENT_BACK'
    end,
    ended_at = now()
  where a.org_id = v_approval.org_id and a.id = v_approval.id
  returning a.* into v_approval;

  select e.decided_function into v_function from core.approval_entity as e where e.entity = v_approval.entity;
  if v_function is not null then
    execute format('select %I.%I($1)', split_part(v_function, '.', 1), split_part(v_function, '.', 2)) using v_approval;
  end if;
  return v_approval;
end
$$;

comment on function core.decide_approval(uuid, text, text, uuid) is
  'Decide the next step of an approval: APPROVE, REJECT or SEND_BACK. What ends it is told to the function of '
  'core.approval_entity in the same transaction. Raises core.not_found (404), core.approval_not_pending (409), '
  'core.permission_missing, core.same_person (403: the requester, or who decided another step), core.reason_missing, '
  'core.approval_decision_unknown (422), and the errors of core.require_signature.';

grant execute on function core.decide_approval(uuid, text, text, uuid) to partner, member, superadmin, migrator;
