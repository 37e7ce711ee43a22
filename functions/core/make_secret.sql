-- Makes tokens that cannot be guessed.

create or replace function core.make_secret(prefix text)
returns text
language sql
volatile
parallel unsafe
return make_secret.prefix || core.base64url(public.gen_random_bytes(32));

comment on function core.make_secret(text) is 'A new random secret of 256 bits as text; the prefix says what it is for';
