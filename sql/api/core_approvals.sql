-- Approvals and electronic signatures: the views that PostgREST exposes.

create view api.approval_policies
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.entity,
  t.kind,
  t.step_no,
  t.amount_from,
  t.currency,
  t.permission,
  t.needs_signature,
  t.note,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.approval_policy as t;

comment on view api.approval_policies is
  E'Approval policies\n'
  'Who has to agree to what. Of each step the row with the highest amount_from that the amount reaches counts, one of the '
  'very kind before one of every kind. POST /rpc/approval_policies_reset restores those of the beginning.';
comment on column api.approval_policies.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.approval_policies.id is 'Id: a version 7 UUID, in order of time';
comment on column api.approval_policies.entity is 'What needs approval, as in the events';
comment on column api.approval_policies.kind is 'Kind that it is for; null: every kind';
comment on column api.approval_policies.step_no is 'Steps are decided in this order, each by somebody else';
comment on column api.approval_policies.amount_from is 'The least amount that it is for, whatever its sign';
comment on column api.approval_policies.currency is
  'Currency of amount_from, into which amounts are converted; null: amounts are compared as they are';
comment on column api.approval_policies.permission is
  'Who holds it, in the unit of what is approved, may decide the step: a code of /permissions';
comment on column api.approval_policies.needs_signature is 'Whether who decides must sign';
comment on column api.approval_policies.note is 'Why, in words';
comment on column api.approval_policies.version is 'Grows with each change; send the one that was read to refuse a lost update';
comment on column api.approval_policies.created_at is 'When it was made';
comment on column api.approval_policies.created_by is 'User who made it';
comment on column api.approval_policies.updated_at is 'When it was last changed';
comment on column api.approval_policies.updated_by is 'User who changed it last';

create view api.approvals
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.entity,
  t.entity_id,
  t.kind,
  t.amount,
  t.currency,
  t.unit_id,
  t.requested_by,
  t.requested_at,
  t.round,
  t.status,
  t.step_count,
  n.step_no as next_step,
  n.permission as next_permission,
  n.needs_signature,
  core.may_decide(t, n.step_no, n.permission) as is_for_me,
  t.ended_at,
  t.version
from core.approval as t
left join lateral (
  select s.step_no, s.permission, s.needs_signature
  from core.approval_step as s
  where t.status = 'PENDING' and s.org_id = t.org_id and s.approval_id = t.id and s.decision is null
  order by s.step_no
  limit 1
) as n on true;

comment on view api.approvals is
  E'Approvals\n'
  'What somebody asked others to agree to: one''s own requests, with core.approval.read (in a unit) all. An inbox: '
  'status=eq.PENDING&is_for_me=is.true. Decided with POST /rpc/approval_decide.';
comment on column api.approvals.org_id is 'Organisation that the row belongs to';
comment on column api.approvals.id is 'Id: a version 7 UUID, in order of time';
comment on column api.approvals.entity is 'What is to be approved, as in the events';
comment on column api.approvals.entity_id is 'Id of the record';
comment on column api.approvals.kind is 'Kind of it';
comment on column api.approvals.amount is 'What it is worth';
comment on column api.approvals.currency is 'Currency of amount';
comment on column api.approvals.unit_id is 'Unit in which the permissions must be held; null: everywhere';
comment on column api.approvals.requested_by is 'User who asked, and who may not decide';
comment on column api.approvals.requested_at is 'When it was asked';
comment on column api.approvals.round is 'How often it was asked for this record';
comment on column api.approvals.status is 'PENDING, APPROVED, REJECTED, SENT_BACK or WITHDRAWN';
comment on column api.approvals.step_count is 'How many persons have to agree';
comment on column api.approvals.next_step is 'The step that waits for a decision';
comment on column api.approvals.next_permission is 'What it takes';
comment on column api.approvals.needs_signature is 'Whether it takes a signature';
comment on column api.approvals.is_for_me is 'Whether the user of the request may decide it';
comment on column api.approvals.ended_at is 'When it was decided or withdrawn';
comment on column api.approvals.version is 'Grows with each change';

create trigger refuse
instead of insert or update or delete on api.approvals
for each row
execute function core.tg_view__refuse();

create view api.approval_steps
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.approval_id,
  t.step_no,
  t.permission,
  t.needs_signature,
  t.unit_id,
  t.decided_by,
  t.decided_at,
  t.decision,
  t.reason,
  t.signature_id
from core.approval_step as t;

comment on view api.approval_steps is
  E'Steps of approvals\n'
  'Who has to agree, and who did.';
comment on column api.approval_steps.org_id is 'Organisation that the row belongs to';
comment on column api.approval_steps.id is 'Id: a version 7 UUID, in order of time';
comment on column api.approval_steps.approval_id is 'The approval';
comment on column api.approval_steps.step_no is 'Steps are decided in this order';
comment on column api.approval_steps.permission is 'What who decides needs: a code of /permissions';
comment on column api.approval_steps.needs_signature is 'Whether who decides must sign';
comment on column api.approval_steps.unit_id is 'Unit in which the permission must be held; null: everywhere';
comment on column api.approval_steps.decided_by is 'User who decided';
comment on column api.approval_steps.decided_at is 'When';
comment on column api.approval_steps.decision is 'APPROVE, REJECT or SEND_BACK';
comment on column api.approval_steps.reason is 'Why, in words';
comment on column api.approval_steps.signature_id is 'The signature';

create view api.signature_meanings
with (security_invoker = true) as
select
  t.entity,
  t.meaning,
  t.permission,
  t.statement
from core.signature_meaning as t;

comment on view api.signature_meanings is
  E'Meanings of signatures\n'
  'What can be signed, with which words. Signed with POST /rpc/sign.';
comment on column api.signature_meanings.entity is 'What is signed, as in the events';
comment on column api.signature_meanings.meaning is 'Code of the meaning';
comment on column api.signature_meanings.permission is
  'What who signs needs, in the unit of the record; null: only the step asks';
comment on column api.signature_meanings.statement is 'The words that are signed';

create view api.signatures
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.entity,
  t.entity_id,
  t.meaning,
  t.statement,
  t.signer_id,
  t.signer_name,
  t.signer_email,
  t.signer_roles,
  t.unit_id,
  t.unit_name,
  t.has_second_factor,
  t.signed_at,
  u.used_at,
  t.payload_sha256,
  t.sha256
from core.signature as t
left join core.signature_use as u on u.org_id = t.org_id and u.signature_id = t.id;

comment on view api.signatures is
  E'Electronic signatures\n'
  'One''s own, with core.signature.read (in a unit) those of all. Those of one record: GET /rpc/signatures_of. Checked with '
  'GET /rpc/signature_verify. Append-only.';
comment on column api.signatures.org_id is 'Organisation that the row belongs to';
comment on column api.signatures.id is 'Id: a version 7 UUID, in order of time';
comment on column api.signatures.entity is 'What was signed, as in the events';
comment on column api.signatures.entity_id is 'Id of the record';
comment on column api.signatures.meaning is 'What the signature means: a code of /signature_meanings';
comment on column api.signatures.statement is 'The words that were signed';
comment on column api.signatures.signer_id is 'User who signed';
comment on column api.signatures.signer_name is 'Name then';
comment on column api.signatures.signer_email is 'Address then';
comment on column api.signatures.signer_roles is 'Roles then, in the unit of the record or everywhere';
comment on column api.signatures.unit_id is 'Unit of the record';
comment on column api.signatures.unit_name is 'Name of the unit then';
comment on column api.signatures.has_second_factor is 'Whether a one-time password was given as well';
comment on column api.signatures.signed_at is 'When';
comment on column api.signatures.used_at is 'When a step was taken with it; null: none was';
comment on column api.signatures.payload_sha256 is 'SHA-256 of what the record held';
comment on column api.signatures.sha256 is 'SHA-256 of the signature: of all that it says and payload_sha256';

create trigger refuse
instead of insert or update or delete on api.signatures
for each row
execute function core.tg_view__refuse();
