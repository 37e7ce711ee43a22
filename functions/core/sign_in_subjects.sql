-- What failed attempts are counted by.

create or replace function core.account_subject(email text, kind text default 'account')
returns text
language sql
immutable
parallel safe
return account_subject.kind || ':' || encode(sha256(convert_to(lower(btrim(account_subject.email)), 'UTF8')), 'hex');

comment on function core.account_subject(text, text) is
  'The subject of an account in core.sign_in_failure: a hash, since people type passwords where the address belongs';

grant execute on function core.account_subject(text, text) to migrator;

-- An IPv6 client owns a whole /64.
create or replace function core.address_subject(kind text default 'address')
returns text
language sql
stable
parallel safe
return address_subject.kind || ':' || coalesce(
  case family(core.client_address())
    when 6 then text(network(set_masklen(core.client_address(), 64)))
    else host(core.client_address())
  end,
  'unknown'
);

comment on function core.address_subject(text) is 'The subject of the client''s address in core.sign_in_failure';
