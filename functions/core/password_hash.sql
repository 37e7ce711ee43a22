-- Hashes and compares passwords.

-- Definer: the functions of pgcrypto are the owner's.
create or replace function core.hash_password(password text)
returns text
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return public.crypt(
    encode(sha256(convert_to(normalize(hash_password.password, nfkc), 'UTF8')), 'base64'),
    public.gen_salt('bf', core.password_hash_cost())
  );
end
$$;

comment on function core.hash_password(text) is
  'bcrypt of the base64 text of the SHA-256 of a password: bcrypt itself ignores all after 72 bytes';

grant execute on function core.hash_password(text) to migrator;

-- Definer: as core.hash_password.
create or replace function core.password_matches(password text, password_hash text)
returns boolean
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The salt is any: what counts is that the work is the same when there is nothing to compare with.
  v_hash text := coalesce(
    password_matches.password_hash, format('$2a$%s$ZGF0YWJhc2Ugbm9ib2R5Lg', to_char(core.password_hash_cost(), 'fm00'))
  );
  v_same boolean := public.crypt(
    encode(sha256(convert_to(normalize(coalesce(password_matches.password, ''), nfkc), 'UTF8')), 'base64'), v_hash
  ) = v_hash;
begin
  return v_same and password_matches.password_hash is not null;
end
$$;

comment on function core.password_matches(text, text) is
  'Whether the password is the one that was hashed; takes as long when there is no hash';

grant execute on function core.password_matches(text, text) to migrator;

create or replace function core.password_hash_cost()
returns integer
language sql
stable
parallel safe
return greatest(4, least(15, (core.installation_setting('core.password_hash_cost') #>> '{}')::integer));

comment on function core.password_hash_cost() is 'Logarithm of the rounds of bcrypt, kept within what can be waited for';
