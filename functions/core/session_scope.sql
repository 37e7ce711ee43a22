-- Whose sessions functions that run as owner see besides those of the organisation.

-- PL/pgSQL: an SQL function would be inlined into the policy, and set up at each request, which hardly ever needs it.
create or replace function core.session_scope()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  -- Who signs in or refreshes is nobody yet (core.begin_sign_in); a SUPER_ADMIN may end any session.
  if core.claims() ->> 'role' in ('anon', 'superadmin') then
    return '00000000-0000-0000-0000-000000000000';
  end if;
  -- Nobody is everybody by having such an id.
  return nullif(core.user_id(), '00000000-0000-0000-0000-000000000000');
end
$$;

comment on function core.session_scope() is
  'The user whose sessions the policies of core.session show to owner in all organisations: the caller; zeros: everybody''s';
