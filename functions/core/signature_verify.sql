-- Verifies a signature against its record.

create or replace function api.signature_verify(id uuid)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_result jsonb := core.check_signature(signature_verify.id);
begin
  -- Who may not read all signatures reads those of what he sees.
  if v_result is null then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'signature', 'id', signature_verify.id));
  end if;
  perform core.require_visible(v_result ->> 'entity', (v_result ->> 'entity_id')::uuid);
  return v_result;
end
$$;

comment on function api.signature_verify(uuid) is
  E'Verify a signature\n'
  'Returns id, entity, entity_id, is_intact (its hashes agree with what it says and with what was signed), is_current (the '
  'record still holds what was signed), payload (what was signed) and current (what the record holds now, where that '
  'differs). Seen by who sees the record. Errors: core.not_found (404).';

grant execute on function api.signature_verify(uuid) to partner, member, superadmin;

-- Definer: computes from all that the record holds, whatever of it the caller sees; he is shown the record itself.
create or replace function core.check_signature(id uuid)
returns jsonb
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_signature core.signature;
  v_payload jsonb;
begin
  select s.* into v_signature from core.signature as s where s.org_id = core.org_id() and s.id = check_signature.id;
  if not found then
    return null;
  end if;
  v_payload := core.signature_payload(v_signature.entity, v_signature.entity_id);
  return jsonb_build_object(
    'id', v_signature.id,
    'entity', v_signature.entity,
    'entity_id', v_signature.entity_id,
    'is_intact',
    encode(sha256(convert_to(v_signature.payload, 'UTF8')), 'hex') = v_signature.payload_sha256
    and encode(sha256(convert_to(core.signature_text(v_signature), 'UTF8')), 'hex') = v_signature.sha256,
    'is_current', coalesce(v_payload::text = v_signature.payload, false),
    'payload', v_signature.payload::jsonb,
    'current', case when v_payload::text is distinct from v_signature.payload then v_payload end
  );
end
$$;

comment on function core.check_signature(uuid) is
  'Whether a signature agrees with itself and with its record; null: there is none. The caller has checked who may see it.';

grant execute on function core.check_signature(uuid) to partner, member, superadmin;
