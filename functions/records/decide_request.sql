-- Requests and the shared approvals.

create or replace function records.check_new_request(id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if exists (select from records.request as r where r.org_id = core.org_id() and r.id = check_new_request.id) then
    perform core.raise_error('records.request_exists', jsonb_build_object('id', id));
  end if;
end
$$;

comment on function records.check_new_request(uuid) is 'Raises records.request_exists (409) for an id that was used before.';

create or replace function records.require_requester(request records.request)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if request.requested_by <> core.user_id() then
    perform core.raise_error('records.not_the_requester', jsonb_build_object('number', request.request_no));
  end if;
end
$$;

comment on function records.require_requester(records.request) is
  'Raises records.not_the_requester (403) unless the caller made the request.';

create or replace function records.decide_request(
  request records.request,
  decision text,
  reason text,
  signature_id uuid
)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_approval_id uuid;
begin
  if decision <> 'APPROVE' and length(btrim(coalesce(reason, ''))) < 10 then
    perform core.raise_error('records.reason_too_short');
  end if;
  v_approval_id := (
    select a.id
    from core.approval as a
    where a.org_id = request.org_id
      and a.entity = 'records_request'
      and a.entity_id = request.id
      and a.status = 'PENDING'
  );
  perform core.decide_approval(v_approval_id, decision, reason, signature_id);
end
$$;

comment on function records.decide_request(records.request, text, text, uuid) is
  'Decides on the approval of a request; records.request_decided follows when it was the last step. The caller holds the '
  'request.';

create or replace function records.request_decided(approval core.approval)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_request records.request;
  v_reason text;
begin
  select r.*
  into v_request
  from records.request as r
  where r.org_id = approval.org_id
    and r.id = approval.entity_id
  for no key update;
  v_reason := (
    select s.reason
    from core.approval_step as s
    where s.org_id = approval.org_id
      and s.approval_id = approval.id
      and s.decided_at is not null
    order by s.step_no desc
    limit 1
  );

  if approval.status = 'APPROVED' then
    update records.request as r
    set
      status = 'APPROVED',
      approved_by = core.user_id(),
      approved_at = now()
    where r.org_id = v_request.org_id
      and r.id = v_request.id;
  elsif approval.status in ('REJECTED', 'SENT_BACK') then
    perform records.note_round(
      v_request, case approval.status when 'REJECTED' then 'REJECTION' else 'CHANGE_REQUEST' end, v_reason
    );
    if approval.status = 'REJECTED' then
      update records.request as r
      set
        status = 'REJECTED',
        status_reason = btrim(v_reason),
        rejected_by = core.user_id(),
        rejected_at = now()
      where r.org_id = v_request.org_id
        and r.id = v_request.id;
      perform records.release_crate(v_request, v_reason);
    else
      update records.request as r
      set
        status = 'SENT_BACK',
        status_reason = btrim(v_reason),
        sent_back_by = core.user_id(),
        sent_back_at = now()
      where r.org_id = v_request.org_id
        and r.id = v_request.id;
    end if;
  end if;
end
$$;

comment on function records.request_decided(core.approval) is
  'Called when the approval of a request ended: the request follows. Raises records.reason_too_short (422).';
