-- Begins to set up a second factor.

-- Definer: nobody reads or writes second factors.
create or replace function api.totp_begin()
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_secret bytea := public.gen_random_bytes(20);
  v_issuer text := core.installation_setting('core.totp_issuer') #>> '{}';
  v_email text := (select u.email from core.app_user as u where u.id = core.user_id());
begin
  perform core.require_person();
  insert into core.second_factor as f (user_id, secret)
  values (core.user_id(), v_secret)
  on conflict on constraint second_factor_pkey do update
  set secret = excluded.secret, created_at = now(), last_step = null
  where f.confirmed_at is null;
  if not found then
    perform core.raise_error('core.second_factor_exists');
  end if;
  perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
  return jsonb_build_object(
    'secret', core.base32(v_secret),
    'uri', format(
      'otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=6&period=30',
      core.url_encode(v_issuer), core.url_encode(v_email), core.base32(v_secret), core.url_encode(v_issuer)
    )
  );
end
$$;

comment on function api.totp_begin() is
  E'Begin to set up a second factor\n'
  'Returns secret (base 32) and uri (otpauth, for a QR code) for an app that makes one-time passwords. It counts once '
  'totp_confirm has seen a code. Errors: core.api_key_refused (403), core.second_factor_exists (409).';

grant execute on function api.totp_begin() to partner, member, superadmin;

create or replace function core.url_encode(text text)
returns text
language sql
immutable
strict
parallel safe
return (
  select coalesce(
    string_agg(
      case
        when b.byte between 48 and 57 or b.byte between 65 and 90 or b.byte between 97 and 122 or b.byte in (45, 46, 95, 126)
          then chr(b.byte)
        else '%' || upper(lpad(to_hex(b.byte), 2, '0'))
      end,
      '' order by b.n
    ),
    ''
  )
  from (
    select n, get_byte(convert_to(url_encode.text, 'UTF8'), n) as byte
    from generate_series(0, octet_length(url_encode.text) - 1) as n
  ) as b
);

comment on function core.url_encode(text) is 'Percent-encode all but the unreserved characters (RFC 3986)';
