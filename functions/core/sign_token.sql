-- Signs access tokens.

-- Definer: nobody else reads the keys.
create or replace function core.sign_token(claims jsonb, minutes numeric)
returns text
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key core.signing_key;
  v_now bigint := floor(extract(epoch from clock_timestamp()));
  v_text text;
begin
  select k.*
  into v_key
  from core.signing_key as k
  where k.retires_at is null or k.retires_at > clock_timestamp()
  order by k.created_at desc, k.kid desc
  limit 1;
  if not found then
    perform core.raise_error('core.signing_key_missing');
  end if;
  v_text := core.base64url(convert_to(jsonb_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', v_key.kid)::text, 'UTF8'))
    || '.'
    || core.base64url(
      convert_to(
        (
          jsonb_strip_nulls(sign_token.claims)
          || jsonb_build_object('iat', v_now, 'exp', v_now + round(sign_token.minutes * 60)::bigint)
        )::text,
        'UTF8'
      )
    );
  return v_text
    || '.'
    || core.base64url(public.hmac(convert_to(v_text, 'UTF8'), convert_to(v_key.secret, 'UTF8'), 'sha256'));
end
$$;

comment on function core.sign_token(jsonb, numeric) is
  'A token (RFC 7519, HS256) with these claims, iat and exp, signed with the newest key that is not retired. Raises '
  'core.signing_key_missing (500).';

grant execute on function core.sign_token(jsonb, numeric) to migrator;

create or replace function core.base64url(bytes bytea)
returns text
language sql
immutable
strict
parallel safe
return translate(encode(base64url.bytes, 'base64'), E'+/=\n', '-_');

comment on function core.base64url(bytea) is 'Base 64 for URLs, without padding (RFC 4648)';
