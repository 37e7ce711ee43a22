-- Users see their own keys, those with the permission all of the organisation; nobody sees a key's hash.

grant select (
  org_id, id, user_id, name, prefix, permissions, expires_at, revoked_at, revoked_by, last_used_at, last_used_address,
  created_at, created_by
) on core.api_key to member, superadmin;
grant select on api.api_keys to member, superadmin;
grant select (org_id, id, revoked_at, expires_at) on core.api_key to relay;
grant select, insert, update, delete on core.api_key to migrator;

create policy owner_all on core.api_key for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- Who signs in with a key is nobody yet (core.begin_sign_in).
create policy owner_sign_in on core.api_key for select to owner
using ((select core.claims() ->> 'role') = 'anon');

create policy migrator_all on core.api_key for all to migrator
using (true)
with check (true);

create policy member_select on core.api_key for select to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_select_organization on core.api_key for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.api_key.read')));

-- no insert: api.api_key_create

-- no update: api.api_key_revoke

-- no delete: a key is ended

-- nothing for partner: EXTERNAL users have no keys

create policy superadmin_select on core.api_key for select to superadmin
using (true);

-- Which of its subscribers' keys are over, asked every second.
create policy relay_select on core.api_key for select to relay
using (true);

-- nothing for analyst: access control is not analysed with SQL
