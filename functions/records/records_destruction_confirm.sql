-- What was approved is destroyed, before a witness.

create or replace function api.records_destruction_confirm(
  id uuid,
  method text,
  signature_id uuid,
  witness_signature_id uuid default null,
  vendor text default null,
  version integer default null
)
returns api.records_certificates
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and certificates are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_request records.request;
  v_crate records.crate;
  v_certificate records.destruction_certificate;
  v_row api.records_certificates;
begin
  v_request := records.lock_request(id, version, 'DESTRUCTION');
  perform core.require_permission('records.destruction.execute', v_request.unit_id);
  perform records.require_status(v_request, 'APPROVED');
  if coalesce(method, '') not in ('SHRED', 'INCINERATE', 'PULP') then
    perform core.raise_error('records.method_unknown', jsonb_build_object('method', method));
  end if;
  -- The same order as who places a hold: crate, then documents. Whoever comes second sees what the first did.
  v_crate := records.lock_crate(v_request.crate_id);
  perform
  from records.document as d
  where d.org_id = v_crate.org_id
    and d.id in (
      select e.document_id
      from records.crate_document as e
      where e.org_id = v_crate.org_id
        and e.crate_id = v_crate.id
        and e.removed_at is null
    )
  order by d.id
  for no key update;
  perform records.check_destruction(v_crate);
  perform records.check_approved_content(v_request);

  v_certificate.org_id := v_request.org_id;
  v_certificate.id := uuidv7();
  v_certificate.request_id := v_request.id;
  v_certificate.crate_id := v_crate.id;
  v_certificate.unit_id := v_request.unit_id;
  v_certificate.method := method;
  v_certificate.vendor := nullif(btrim(vendor), '');
  v_certificate.executed_by := core.user_id();
  v_certificate.executor_signature_id := signature_id;
  v_certificate.witness_signature_id := witness_signature_id;
  v_certificate.witness_id := records.check_witness(v_request, witness_signature_id);
  v_certificate.executed_at := clock_timestamp();
  perform core.require_signature('records_request', v_request.id, 'DESTROY', signature_id);
  perform core.require_signature(
    'records_request', v_request.id, 'WITNESS', witness_signature_id, v_certificate.witness_id,
    (core.setting('records.witness_minutes') #>> '{}')::integer
  );
  v_certificate.certificate_no := core.next_number('records.certificate', v_certificate.id, v_request.unit_id);
  v_certificate.manifest := records.certificate_manifest(v_request, v_crate, signature_id, witness_signature_id);
  v_certificate.document_count := jsonb_array_length(v_certificate.manifest -> 'documents');
  v_certificate.sha256 := encode(sha256(convert_to(records.certificate_text(v_certificate), 'UTF8')), 'hex');
  insert into records.destruction_certificate select v_certificate.*;

  update records.document as d
  set status = 'DESTROYED'
  where d.org_id = v_crate.org_id
    and d.id in (
      select e.document_id
      from records.crate_document as e
      where e.org_id = v_crate.org_id
        and e.crate_id = v_crate.id
        and e.removed_at is null
    );
  update records.crate as c
  set status = 'DESTROYED'
  where c.org_id = v_crate.org_id
    and c.id = v_crate.id;
  perform records.give_custody(v_crate.id, null, null, null);
  update records.request as r
  set
    status = 'COMPLETED',
    completed_by = core.user_id(),
    completed_at = v_certificate.executed_at
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.*
  into v_row
  from api.records_certificates as v
  where v.org_id = v_certificate.org_id
    and v.id = v_certificate.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_destruction_confirm(uuid, text, uuid, uuid, text, integer) is
  'Confirm that a crate was destroyed
method: SHRED, INCINERATE or PULP; vendor: who did it, if not the organisation. Both who destroyed and a witness sign the
request (api.sign of records_request with DESTROY and WITNESS) and give the ids of the signatures; neither may have approved it.
Everything is checked again in the same transaction. Writes the certificate, which is returned; crate and documents stay as a
record of what there was. Refused: 403 core.same_person, core.signature_foreign, 409 records.request_in_another_state,
records.crate_not_available, records.not_in_custody, records.changed_since_approval, core.signature_used,
core.signature_outdated, 422 records.crate_retained, records.destruction_not_due, records.witness_missing,
core.signature_missing, core.signature_stale, core.signature_meaning_differs, 423 records.held. Needs
records.destruction.execute in the unit; the witness records.destruction.witness.';

grant execute on function api.records_destruction_confirm(uuid, text, uuid, uuid, text, integer) to member, superadmin, migrator;

create or replace function records.check_witness(request records.request, signature_id uuid)
returns uuid
language plpgsql
stable
parallel safe
as $$
declare
  v_witness uuid;
begin
  if signature_id is null then
    perform core.raise_error('records.witness_missing');
  end if;
  select s.signer_id
  into v_witness
  from core.signature as s
  where s.org_id = request.org_id
    and s.id = signature_id
    and s.entity = 'records_request'
    and s.entity_id = request.id;
  if not found then
    perform core.raise_error('core.signature_foreign', jsonb_build_object('signature_id', signature_id));
  end if;
  if v_witness = core.user_id() then
    perform core.raise_error(
      'core.same_person', jsonb_build_object('entity', 'records_request', 'action', 'witness')
    );
  end if;
  if exists (
    select
    from core.approval as a
    inner join core.approval_step as s
      on s.org_id = a.org_id
      and s.approval_id = a.id
    where a.org_id = request.org_id
      and a.entity = 'records_request'
      and a.entity_id = request.id
      and a.status = 'APPROVED'
      and s.decided_by in (v_witness, core.user_id())
  ) then
    perform core.raise_error(
      'core.same_person', jsonb_build_object('entity', 'records_request', 'action', 'destroy or witness')
    );
  end if;
  return v_witness;
end
$$;

comment on function records.check_witness(records.request, uuid) is
  'Who signed as witness: neither the caller nor one who approved, and the caller did not approve either. Raises '
  'records.witness_missing (422), core.signature_foreign, core.same_person (403).';

create or replace function records.check_approved_content(request records.request)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if exists (
    select
    from core.approval as a
    inner join core.approval_step as s
      on s.org_id = a.org_id
      and s.approval_id = a.id
    inner join core.signature as g
      on g.org_id = s.org_id
      and g.id = s.signature_id
    where a.org_id = request.org_id
      and a.entity = 'records_request'
      and a.entity_id = request.id
      and a.round = (
        select max(b.round)
        from core.approval as b
        where b.org_id = a.org_id
          and b.entity = a.entity
          and b.entity_id = a.entity_id
      )
      and g.payload is distinct from core.signature_payload('records_request', request.id)::text
  ) then
    perform core.raise_error('records.changed_since_approval', jsonb_build_object('number', request.request_no));
  end if;
end
$$;

comment on function records.check_approved_content(records.request) is
  'Raises records.changed_since_approval (409) unless crate and documents are those that the approvers signed for';
