-- Signs a record.

create or replace function api.sign(
  entity text,
  entity_id uuid,
  meaning text,
  password text,
  totp_code text default null
)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.require_person();
  -- With the caller's own rights: nobody signs what he does not see.
  perform core.require_visible(sign.entity, sign.entity_id);
  return core.make_signature(sign.entity, sign.entity_id, sign.meaning, sign.password, sign.totp_code);
end
$$;

comment on function api.sign(text, uuid, text, text, text) is
  E'Sign a record\n'
  'Makes an electronic signature: the user gives his password again, and the code of his second factor if he has one. '
  'meaning: one of /signature_meanings of the entity. The signature is bound to what the record holds now, to user and '
  'session, and is good for one step within five minutes (core.signature_minutes): give its id as signature_id there. '
  'Returns the signature as /signatures shows it. Wrong attempts count as those of signing in. Errors: '
  'core.password_wrong, core.signature_code_missing, core.api_key_refused, core.permission_missing (403), core.not_found '
  '(404), core.credential_missing (409), core.signature_meaning_unknown (422), core.sign_in_locked (429, Retry-After), '
  'core.busy (503, Retry-After), core.sign_in_plain (400).';

grant execute on function api.sign(text, uuid, text, text, text) to partner, member, superadmin;
