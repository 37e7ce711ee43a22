-- What signatures are computed from.

create or replace function core.signature_payload(entity text, entity_id uuid)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_function text;
  v_payload jsonb;
begin
  select e.payload_function into v_function from core.signature_entity as e where e.entity = signature_payload.entity;
  if not found then
    perform core.raise_error(
      'core.signature_meaning_unknown', jsonb_build_object('entity', signature_payload.entity, 'meaning', '')
    );
  end if;
  execute format('select %I.%I($1)', split_part(v_function, '.', 1), split_part(v_function, '.', 2))
  into v_payload
  using signature_payload.entity_id;
  return v_payload;
end
$$;

comment on function core.signature_payload(text, uuid) is
  'What a signature of this record covers, as its function in core.signature_entity says; its text is canonical because '
  'jsonb keeps keys in one order. Null: there is no such record.';

-- Times in UTC and everything as text, so that other programs compute the same.
create or replace function core.signature_text(signature core.signature)
returns text
language sql
immutable
parallel safe
return jsonb_build_array(
  signature.org_id::text,
  signature.id::text,
  signature.entity,
  signature.entity_id::text,
  signature.meaning,
  signature.statement,
  signature.signer_id::text,
  signature.signer_name,
  signature.signer_email,
  to_jsonb(signature.signer_roles),
  signature.unit_id::text,
  signature.unit_name,
  signature.session_id::text,
  host(signature.address),
  signature.has_second_factor::text,
  to_char(signature.signed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  signature.payload_sha256
)::text;

comment on function core.signature_text(core.signature) is
  'The canonical text of a signature, whose SHA-256 is its sha256: a JSON array of all it says but the payload, of which it '
  'has the SHA-256';
