-- Users see their own sessions, those with the permission all of the organisation; functions end them.

grant select on core.session to member, superadmin, partner;
grant select on api.sessions to member, superadmin, partner;
grant select (id, expires_at, api_key_id), delete on core.session to worker;
grant select (org_id, id, api_key_id, revoked_at, expires_at) on core.session to relay;
grant select, insert, update, delete on core.session to migrator;

create policy owner_organization on core.session for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- One sub-select, of a function that is not inlined: each is set up for each request, which looks at a session here.
create policy owner_elsewhere on core.session for all to owner
using ((select core.session_scope()) = any (array[user_id, '00000000-0000-0000-0000-000000000000']))
with check ((select core.session_scope()) = any (array[user_id, '00000000-0000-0000-0000-000000000000']));

create policy migrator_all on core.session for all to migrator
using (true)
with check (true);

create policy member_select on core.session for select to member
using (user_id = (select core.user_id()));

create policy member_select_organization on core.session for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.session.read')));

-- no insert: sessions are opened by signing in

-- no update: api.sign_out, api.session_revoke

-- no delete: sessions end, and are removed long after

create policy partner_select on core.session for select to partner
using (user_id = (select core.user_id()));

create policy superadmin_select on core.session for select to superadmin
using (true);

-- core.purge_sign_in
create policy worker_select on core.session for select to worker
using (expires_at < now() - interval '1 day');

create policy worker_delete on core.session for delete to worker
using (expires_at < now() - interval '1 day');

-- Which of its subscribers' sessions are over, asked every second.
create policy relay_select on core.session for select to relay
using (true);

-- nothing for analyst: personal data
