-- From draft, or from what was sent back, to the approver.

create or replace function records.submit_request(request records.request)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_crate records.crate;
  v_approval core.approval;
begin
  perform records.check_wishes(request);
  v_crate := records.lock_crate(request.crate_id);
  if request.kind = 'STORAGE' then
    perform records.check_retention(v_crate.id);
  elsif request.status = 'DRAFT' then
    perform records.check_available(v_crate);
  end if;

  update records.request as r
  set
    status = 'PENDING',
    status_reason = null,
    request_no = coalesce(r.request_no, core.next_number('records.request', r.id)),
    requested_at = case r.status when 'DRAFT' then now() else r.requested_at end,
    round = r.round + case r.status when 'SENT_BACK' then 1 else 0 end
  where r.org_id = request.org_id
    and r.id = request.id;

  v_approval := core.request_approval(
    'records_request', request.id, request.kind, null, null, request.unit_id, request.requested_by
  );
  -- Where no policy asks for a decision it is made already.
  if v_approval.status = 'APPROVED'
    and exists (
      select from records.request as r where r.org_id = request.org_id and r.id = request.id and r.status = 'PENDING'
    )
  then
    perform records.request_decided(v_approval);
  end if;
end
$$;

comment on function records.submit_request(records.request) is
  'Gives a request its number and puts it before the approver. The caller holds it; its crate is locked here.';

create or replace function records.release_crate(request records.request, reason text)
returns void
language sql
volatile
parallel unsafe
begin atomic
  update records.crate_document as e
  set
    removed_at = now(),
    removed_by = core.user_id()
  where e.org_id = release_crate.request.org_id
    and e.crate_id = release_crate.request.crate_id
    and e.removed_at is null
    and release_crate.request.kind = 'STORAGE';

  update records.crate as c
  set
    status = 'CANCELLED',
    status_reason = release_crate.reason
  where c.org_id = release_crate.request.org_id
    and c.id = release_crate.request.crate_id
    and c.status = 'PROPOSED'
    and release_crate.request.kind = 'STORAGE';
end;

comment on function records.release_crate(records.request, text) is
  'The crate of a storage request that will not be stored is cancelled, and its documents are free for another.';

create or replace function records.note_round(request records.request, kind text, reason text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if length(btrim(coalesce(reason, ''))) < 10 then
    perform core.raise_error('records.reason_too_short');
  end if;
  insert into records.send_back as s (org_id, request_id, round, kind, reason, request)
  values (
    request.org_id, request.id, request.round, note_round.kind, btrim(note_round.reason),
    jsonb_build_object(
      'purpose', request.purpose, 'is_full', request.is_full, 'expected_return_on', request.expected_return_on,
      'target_unit_id', request.target_unit_id,
      'documents', (
        select jsonb_agg(n.document_number order by n.document_number)
        from (
          select d.document_number
          from records.request_document as x
          inner join records.document as d
            on d.org_id = x.org_id
            and d.id = x.document_id
          where x.org_id = request.org_id
            and x.request_id = request.id
          union
          select d.document_number
          from records.crate_document as e
          inner join records.document as d
            on d.org_id = e.org_id
            and d.id = e.document_id
          where request.kind = 'STORAGE'
            and e.org_id = request.org_id
            and e.crate_id = request.crate_id
            and e.removed_at is null
        ) as n
      )
    )
  )
  -- Several parts of one withdrawal may come back with a note each.
  on conflict on constraint one_of_a_kind_per_round do update set reason = s.reason || E'\n' || excluded.reason;
end
$$;

comment on function records.note_round(records.request, text, text) is
  'Keeps why a request was sent back or rejected, or what was noted on return, with what it asked for. Raises '
  'records.reason_too_short (422) below ten characters.';
