-- Exchange rates of the organisation.

grant select on core.exchange_rate to member, superadmin, analyst;
grant insert (
  org_id, id, from_currency, to_currency, rate, valid, source
) on core.exchange_rate to member, superadmin;
grant update (rate, valid, source, version) on core.exchange_rate to member, superadmin;
grant delete on core.exchange_rate to member, superadmin;
grant select on api.exchange_rates to member, superadmin;
grant insert (
  org_id, id, from_currency, to_currency, rate, valid, source
) on api.exchange_rates to member, superadmin;
grant update (rate, valid, source, version) on api.exchange_rates to member, superadmin;
grant delete on api.exchange_rates to member, superadmin;
grant select, insert, update, delete on core.exchange_rate to migrator;

create policy owner_all on core.exchange_rate for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.exchange_rate for all to migrator
using (true)
with check (true);

create policy member_select on core.exchange_rate for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.exchange_rate for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.exchange_rate.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.exchange_rate for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.exchange_rate.update')));

create policy member_delete on core.exchange_rate for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.exchange_rate.delete')));

-- nothing for partner: the rates of the books are internal

create policy superadmin_select on core.exchange_rate for select to superadmin
using (true);

create policy superadmin_insert on core.exchange_rate for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.exchange_rate for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.exchange_rate for delete to superadmin
using (org_id = (select core.org_id()));

create policy analyst_select on core.exchange_rate for select to analyst
using (org_id = (select core.org_id()));
