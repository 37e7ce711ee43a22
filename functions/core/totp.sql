-- Time-based one-time passwords (RFC 6238): SHA-1, 30 seconds, 6 digits.

create or replace function core.totp(secret bytea, step bigint)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_hash bytea := public.hmac(int8send(totp.step), totp.secret, 'sha1');
  v_at integer := get_byte(v_hash, 19) & 15;
begin
  return lpad(
    (
      (
        ((get_byte(v_hash, v_at) & 127)::bigint << 24)
        | (get_byte(v_hash, v_at + 1)::bigint << 16)
        | (get_byte(v_hash, v_at + 2)::bigint << 8)
        | get_byte(v_hash, v_at + 3)::bigint
      ) % 1000000
    )::text,
    6, '0'
  );
end
$$;

comment on function core.totp(bytea, bigint) is 'The code of a secret in a step: the number of 30 seconds since 1970';

create or replace function core.base32(bytes bytea)
returns text
language sql
immutable
strict
parallel safe
return (
  select string_agg(
    substr(
      'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
      rpad(substr(b.bits, n, 5), 5, '0')::bit(5)::integer + 1,
      1
    ),
    '' order by n
  )
  from (select encode(base32.bytes, 'hex') as hex) as h
  cross join lateral (
    select string_agg(('x' || substr(h.hex, i, 1))::bit(4)::text, '' order by i) as bits
    from generate_series(1, length(h.hex)) as i
  ) as b
  cross join lateral generate_series(1, length(b.bits), 5) as n
);

comment on function core.base32(bytea) is 'Base 32 without padding (RFC 4648), as apps for one-time passwords read secrets';

create or replace function core.accept_code(user_id uuid, code text)
returns boolean
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_factor core.second_factor;
  v_now bigint := floor(extract(epoch from clock_timestamp()) / 30);
begin
  -- Locked, so that of two requests with one code the second sees it used.
  select * into v_factor from core.second_factor as f where f.user_id = accept_code.user_id for update;
  for v_step in v_now - 1 .. v_now + 1 loop
    if v_step > coalesce(v_factor.last_step, -1)
      and core.totp(v_factor.secret, v_step) = replace(accept_code.code, ' ', '')
    then
      update core.second_factor as f set last_step = v_step where f.user_id = accept_code.user_id;
      return true;
    end if;
  end loop;
  return false;
end
$$;

comment on function core.accept_code(uuid, text) is
  'Whether the code is right now, or was 30 seconds ago or will be then, and was not used before; it is used from now on';
