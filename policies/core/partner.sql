-- Members see all partners; an EXTERNAL user sees his own, and of it what a partner may know of itself.

grant select on core.partner to member, superadmin, analyst;
grant select (
  org_id, id, code, name, legal_name, country_code, tax_id, currency, status, version, created_at, updated_at
) on core.partner to partner;
grant insert (
  org_id, id, code, name, legal_name, country_code, tax_id, currency, credit_limit, note
) on core.partner to member, superadmin;
grant update (
  code, name, legal_name, country_code, tax_id, currency, credit_limit, note, version
) on core.partner to member, superadmin;
grant select on api.partners to member, superadmin;
grant insert (
  org_id, id, code, name, legal_name, country_code, tax_id, currency, credit_limit, note
) on api.partners to member, superadmin;
grant update (
  code, name, legal_name, country_code, tax_id, currency, credit_limit, note, version
) on api.partners to member, superadmin;
grant select on api.own_partner to partner;
grant select, insert, update, delete on core.partner to migrator;

create policy owner_all on core.partner for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.partner for all to migrator
using (true)
with check (true);

create policy member_select on core.partner for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.partner for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.partner.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.partner for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.partner.update')));

-- no delete: partners are made inactive; status is changed by api.partner_hold, partner_activate and partner_deactivate

create policy partner_select on core.partner for select to partner
using (org_id = (select core.org_id()) and id = (select core.partner_id()));

create policy superadmin_select on core.partner for select to superadmin
using (true);

create policy superadmin_insert on core.partner for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.partner for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy analyst_select on core.partner for select to analyst
using (org_id = (select core.org_id()));
