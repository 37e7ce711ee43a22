-- Decides an approval that waits for the user.

-- Definer: who decides is shown what he decided, whether or not he may read approvals.
create or replace function api.approval_decide(
  id uuid,
  decision text,
  reason text default null,
  signature_id uuid default null,
  version integer default null
)
returns api.approvals
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row api.approvals;
begin
  if approval_decide.version is not null then
    perform core.check_version('approval', approval_decide.version, a.version)
    from core.approval as a
    where a.org_id = core.org_id() and a.id = approval_decide.id
    for no key update;
  end if;
  perform core.decide_approval(
    approval_decide.id, approval_decide.decision, approval_decide.reason, approval_decide.signature_id
  );
  select a.* into v_row from api.approvals as a where a.org_id = core.org_id() and a.id = approval_decide.id;
  return v_row;
end
$$;

comment on function api.approval_decide(uuid, text, text, uuid, integer) is
  E'Decide an approval\n'
  'Decides its next step. decision: APPROVE, REJECT or SEND_BACK; the last two need a reason. signature_id: from '
  'POST /rpc/sign of the record with the decision as meaning, where the step needs one. Nobody decides what he asked for '
  'himself, nor two steps of it. Returns the approval. Errors: core.permission_missing, core.same_person, '
  'core.signature_foreign (403), core.not_found (404), core.approval_not_pending, core.signature_used, '
  'core.signature_outdated (409), core.stale_version (412), core.reason_missing, '
  'core.approval_decision_unknown, core.signature_missing, '
  'core.signature_stale, core.signature_meaning_differs (422), and what the step that follows refuses.';

grant execute on function api.approval_decide(uuid, text, text, uuid, integer) to member, superadmin;
