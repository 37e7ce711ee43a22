-- Signatures: seen by who made them, and by who may read those of their unit; a function writes them.

grant select on core.signature to member, partner, superadmin;
grant select on api.signatures to member, partner, superadmin;
grant select, insert on core.signature to migrator;

create policy owner_select on core.signature for select to owner
using (org_id = (select core.org_id()));

create policy owner_insert on core.signature for insert to owner
with check (org_id = (select core.org_id()));

create policy migrator_select on core.signature for select to migrator
using (true);

create policy migrator_insert on core.signature for insert to migrator
with check (true);

create policy member_select on core.signature for select to member
using (org_id = (select core.org_id()) and signer_id = (select core.user_id()));

create policy member_select_organization on core.signature for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.signature.read')));

create policy member_select_unit on core.signature for select to member
using (
  org_id = (select core.org_id()) and unit_id = any ((select core.permitted_units('core.signature.read'))::uuid[])
);

create policy partner_select on core.signature for select to partner
using (org_id = (select core.org_id()) and signer_id = (select core.user_id()));

create policy superadmin_select on core.signature for select to superadmin
using (true);

-- no insert: core.make_signature

-- no update, no delete: append-only, a trigger says so to everybody

-- nothing for analyst: personal data
