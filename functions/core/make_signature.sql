-- Makes a signature of who proves again that it is he.

-- Definer: nobody reads passwords or writes signatures.
create or replace function core.make_signature(
  entity text,
  entity_id uuid,
  meaning text,
  password text,
  totp_code text
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_meaning core.signature_meaning;
  v_payload jsonb;
  v_user core.app_user;
  v_account text;
  v_wait integer;
  v_hash text;
  v_has_factor boolean;
  v_signature core.signature;
begin
  select m.*
  into v_meaning
  from core.signature_meaning as m
  where m.entity = make_signature.entity and m.meaning = make_signature.meaning;
  if not found then
    perform core.raise_error(
      'core.signature_meaning_unknown',
      jsonb_build_object('entity', make_signature.entity, 'meaning', make_signature.meaning)
    );
  end if;
  v_payload := core.signature_payload(make_signature.entity, make_signature.entity_id);
  if v_payload is null or core.org_id() is null then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', make_signature.entity, 'id', make_signature.entity_id)
    );
  end if;
  v_signature.unit_id := (v_payload ->> 'unit_id')::uuid;
  if v_meaning.permission is not null then
    perform core.require_permission(v_meaning.permission, v_signature.unit_id);
  end if;

  -- From here on as for signing in: a failure counts because it is written.
  perform core.begin_sign_in();
  perform core.act_as(v_claims);
  select u.* into v_user from core.app_user as u where u.id = core.user_id();
  v_account := core.account_subject(v_user.email);
  v_wait := core.seconds_locked(array[v_account]);
  if v_wait = 0 then
    if not core.take_password_slot() then
      return core.answer_error('core.busy', retry_after => 1);
    end if;
    v_wait := core.seconds_locked(array[v_account]);
  end if;
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;
  select c.password_hash into v_hash from core.credential as c where c.user_id = v_user.id;
  if v_hash is null then
    return core.answer_error('core.credential_missing');
  end if;
  v_has_factor := exists (
    select from core.second_factor as f where f.user_id = v_user.id and f.confirmed_at is not null
  );
  if v_has_factor and coalesce(btrim(make_signature.totp_code), '') = '' then
    return core.answer_error('core.signature_code_missing');
  end if;
  -- One answer for both, and the code is used up only with the right password.
  if not core.password_matches(make_signature.password, v_hash)
    or (v_has_factor and not core.accept_code(v_user.id, make_signature.totp_code))
  then
    perform core.count_failure(v_account, v_user.id);
    perform core.log_security(
      'SIGNATURE_REFUSED', v_user.id, (v_claims ->> 'sid')::uuid, core.org_id(),
      jsonb_build_object('entity', make_signature.entity, 'id', make_signature.entity_id)
    );
    return core.answer_error('core.password_wrong');
  end if;
  delete from core.sign_in_failure as f where f.subject = v_account;

  v_signature.org_id := core.org_id();
  v_signature.id := uuidv7();
  v_signature.entity := make_signature.entity;
  v_signature.entity_id := make_signature.entity_id;
  v_signature.meaning := v_meaning.meaning;
  v_signature.statement := v_meaning.statement;
  v_signature.signer_id := v_user.id;
  v_signature.signer_name := v_user.name;
  v_signature.signer_email := v_user.email;
  v_signature.signer_roles := core.role_names(v_user.id, v_signature.unit_id);
  v_signature.unit_name := (
    select u.name from core.org_unit as u where u.org_id = v_signature.org_id and u.id = v_signature.unit_id
  );
  v_signature.session_id := (v_claims ->> 'sid')::uuid;
  v_signature.address := core.client_address();
  v_signature.has_second_factor := v_has_factor;
  v_signature.signed_at := clock_timestamp();
  v_signature.payload := v_payload::text;
  v_signature.payload_sha256 := encode(sha256(convert_to(v_signature.payload, 'UTF8')), 'hex');
  v_signature.sha256 := encode(sha256(convert_to(core.signature_text(v_signature), 'UTF8')), 'hex');
  insert into core.signature select v_signature.*;
  return (
    select to_jsonb(s) from api.signatures as s where s.org_id = v_signature.org_id and s.id = v_signature.id
  );
end
$$;

comment on function core.make_signature(text, uuid, text, text, text) is
  'Sign a record of the organisation for the user, who has been shown to see it; returns the signature, or the body of the '
  'error of a failed proof, which was counted';

grant execute on function core.make_signature(text, uuid, text, text, text) to partner, member, superadmin;

create or replace function core.role_names(user_id uuid, unit_id uuid)
returns text[]
language sql
stable
parallel safe
return (
  select coalesce(array_agg(distinct h.name order by h.name), '{}')
  from (
    select r.name || coalesce(' (' || held.name || ')', '') as name
    from core.user_role as u
    join core.role as r on r.org_id = u.org_id and r.id = u.role_id
    left join core.org_unit as held on held.org_id = u.org_id and held.id = u.unit_id
    left join core.org_unit as asked on asked.org_id = u.org_id and asked.id = role_names.unit_id
    where u.org_id = core.org_id()
      and u.user_id = role_names.user_id
      and (u.unit_id is null or asked.path operator (public.<@) held.path)
  ) as h
);

comment on function core.role_names(uuid, uuid) is
  'The roles that a user holds everywhere or in a unit or above it, by name, the unit where it was given in brackets';
