-- Stops a function that is for people, not for API keys.

create or replace function core.require_person()
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if core.claims() ? 'api_key' then
    perform core.raise_error('core.api_key_refused');
  end if;
end
$$;

comment on function core.require_person() is
  'Raise core.api_key_refused (403) when the session was opened by an API key: a key is not the way to more than it allows';

grant execute on function core.require_person() to partner, member, superadmin;
