-- Requests: seen in their unit and in that which a transfer goes to; by Central those of its crates.

grant select, insert, update, delete on records.request to migrator;
grant select on records.request to member, superadmin, analyst;
grant select on api.records_requests to member, superadmin, migrator;

create policy owner_all on records.request
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.request
to migrator
using (true)
with check (true);

create policy member_select on records.request
for select to member
using (
  org_id = (select core.org_id())
  and (
    unit_id = any ((select records.all_permitted_units('records.request.read'))::uuid[])
    or target_unit_id = any ((select records.all_permitted_units('records.request.read'))::uuid[])
    or (
      (select records.is_in_central())
      and exists (
        select
        from records.crate as c
        where c.org_id = request.org_id
          and c.id = request.crate_id
          and c.is_for_central
      )
    )
  )
);

create policy superadmin_select on records.request
for select to superadmin
using (true);

create policy analyst_select on records.request
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: functions write requests
-- no partner: records are a matter of the organisation
