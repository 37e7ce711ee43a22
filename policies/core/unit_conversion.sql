-- What units mean for an item or for the organisation.

grant select on core.unit_conversion to member, superadmin, analyst;
grant insert (
  org_id, id, item_id, from_unit, to_unit, factor_numerator, factor_denominator, valid
) on core.unit_conversion to member, superadmin;
grant update (factor_numerator, factor_denominator, valid, version) on core.unit_conversion to member, superadmin;
grant delete on core.unit_conversion to member, superadmin;
grant select on api.unit_conversions to member, superadmin;
grant insert (
  org_id, id, item_id, from_unit, to_unit, factor_numerator, factor_denominator, valid
) on api.unit_conversions to member, superadmin;
grant update (factor_numerator, factor_denominator, valid, version) on api.unit_conversions to member, superadmin;
grant delete on api.unit_conversions to member, superadmin;
grant select, insert, update, delete on core.unit_conversion to migrator;

create policy owner_all on core.unit_conversion for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.unit_conversion for all to migrator
using (true)
with check (true);

create policy member_select on core.unit_conversion for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.unit_conversion for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.unit_conversion.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.unit_conversion for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.unit_conversion.update')));

create policy member_delete on core.unit_conversion for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.unit_conversion.delete')));

-- nothing for partner: as items

create policy superadmin_select on core.unit_conversion for select to superadmin
using (true);

create policy superadmin_insert on core.unit_conversion for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.unit_conversion for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.unit_conversion for delete to superadmin
using (org_id = (select core.org_id()));

create policy analyst_select on core.unit_conversion for select to analyst
using (org_id = (select core.org_id()));
