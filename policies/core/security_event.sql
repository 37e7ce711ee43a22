-- Users see what happened to their own account, those with the permission what happened in the organisation.

grant select on core.security_event to member, superadmin, partner;
grant select on api.security_events to member, superadmin, partner;
grant select, insert on core.security_event to migrator;

-- Written on behalf of users who may not read it; a function writes the organisation.
create policy owner_insert on core.security_event for insert to owner
with check (true);

create policy migrator_select on core.security_event for select to migrator
using (true);

create policy migrator_insert on core.security_event for insert to migrator
with check (true);

create policy member_select on core.security_event for select to member
using (user_id = (select core.user_id()));

create policy member_select_organization on core.security_event for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.security_event.read')));

-- no insert: core.log_security

-- no update, no delete: append-only, a trigger says so to everybody

create policy partner_select on core.security_event for select to partner
using (user_id = (select core.user_id()));

create policy superadmin_select on core.security_event for select to superadmin
using (true);

-- nothing for analyst: personal data
