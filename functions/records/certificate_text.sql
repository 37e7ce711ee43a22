-- What a certificate of destruction says, and the text that its hash is of.

create or replace function records.certificate_manifest(
  request records.request,
  crate records.crate,
  executor_signature_id uuid,
  witness_signature_id uuid
)
returns jsonb
language sql
stable
parallel safe
begin atomic
  select jsonb_build_object(
    'organization', (select o.name from core.organization as o where o.id = certificate_manifest.request.org_id),
    'request', jsonb_build_object(
      'id', certificate_manifest.request.id,
      'number', certificate_manifest.request.request_no,
      'purpose', certificate_manifest.request.purpose,
      'requested_by', (select u.name from core.app_user as u where u.id = certificate_manifest.request.requested_by),
      'requested_at', core.utc_text(certificate_manifest.request.requested_at)
    ),
    'crate', jsonb_build_object(
      'id', certificate_manifest.crate.id,
      'barcode', certificate_manifest.crate.barcode,
      'destruction_on', certificate_manifest.crate.destruction_on,
      'unit', (
        select string_agg(a.name, ' / ' order by public.nlevel(a.path))
        from core.org_unit as u
        inner join core.org_unit as a
          on a.org_id = u.org_id
          and u.path operator (public.<@) a.path
        where u.org_id = certificate_manifest.crate.org_id
          and u.id = certificate_manifest.crate.unit_id
      ),
      'place', (
        select string_agg(a.code, ' / ' order by public.nlevel(a.path))
        from records.custody as k
        inner join core.location as p
          on p.org_id = k.org_id
          and p.id = k.location_id
        inner join core.location as a
          on a.org_id = p.org_id
          and p.path operator (public.<@) a.path
        where k.org_id = certificate_manifest.crate.org_id
          and k.crate_id = certificate_manifest.crate.id
          and upper_inf(k.during)
      )
    ),
    'documents', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', d.id,
            'number', d.document_number,
            'name', d.name,
            'kind', d.kind,
            'dated_on', d.dated_on,
            'due_on', d.due_on,
            'retention_class', t.code
          )
          order by d.document_number, d.id
        ),
        '[]'
      )
      from records.crate_document as e
      inner join records.document as d
        on d.org_id = e.org_id
        and d.id = e.document_id
      left join records.retention_class as t
        on t.org_id = d.org_id
        and t.id = d.retention_class_id
      where e.org_id = certificate_manifest.crate.org_id
        and e.crate_id = certificate_manifest.crate.id
        and e.removed_at is null
    ),
    'approvals', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'step', s.step_no,
            'by', u.name,
            'at', core.utc_text(s.decided_at),
            'signature_id', s.signature_id
          )
          order by s.step_no
        ),
        '[]'
      )
      from core.approval as a
      inner join core.approval_step as s
        on s.org_id = a.org_id
        and s.approval_id = a.id
      left join core.app_user as u on u.id = s.decided_by
      where a.org_id = certificate_manifest.request.org_id
        and a.entity = 'records_request'
        and a.entity_id = certificate_manifest.request.id
        and a.status = 'APPROVED'
    ),
    'signatures', (
      select jsonb_agg(
        jsonb_build_object(
          'id', g.id,
          'meaning', g.meaning,
          'statement', g.statement,
          'name', g.signer_name,
          'email', g.signer_email,
          'roles', to_jsonb(g.signer_roles),
          'unit', g.unit_name,
          'at', core.utc_text(g.signed_at),
          'has_second_factor', g.has_second_factor,
          'sha256', g.sha256
        )
        order by g.id
      )
      from core.signature as g
      where g.org_id = certificate_manifest.request.org_id
        and (
          g.id in (certificate_manifest.executor_signature_id, certificate_manifest.witness_signature_id)
          or g.id in (
            select s.signature_id
            from core.approval as a
            inner join core.approval_step as s
              on s.org_id = a.org_id
              and s.approval_id = a.id
            where a.org_id = certificate_manifest.request.org_id
              and a.entity = 'records_request'
              and a.entity_id = certificate_manifest.request.id
              and a.status = 'APPROVED'
          )
        )
    )
  );
end;

comment on function records.certificate_manifest(records.request, records.crate, uuid, uuid) is
  'What a certificate lists: crate, documents, request, approvals and signatures as they are now';

-- Everything as text, so that other programs compute the same.
create or replace function records.certificate_text(certificate records.destruction_certificate)
returns text
language sql
immutable
parallel safe
return jsonb_build_array(
  certificate.org_id::text,
  certificate.id::text,
  certificate.certificate_no,
  certificate.request_id::text,
  certificate.crate_id::text,
  certificate.unit_id::text,
  certificate.method,
  certificate.vendor,
  certificate.executed_by::text,
  certificate.executor_signature_id::text,
  certificate.witness_id::text,
  certificate.witness_signature_id::text,
  core.utc_text(certificate.executed_at),
  certificate.document_count::text,
  certificate.manifest::text
)::text;

comment on function records.certificate_text(records.destruction_certificate) is
  'The canonical text of a certificate, whose SHA-256 is its sha256: a JSON array of all its columns as text';

grant execute on function records.certificate_text(records.destruction_certificate) to member, superadmin, migrator;
