-- What counts expect: of a blind one nobody sees it before it is counted, analysts included.

grant select, insert, update, delete on wms.count_expectation to migrator;
grant select on wms.count_expectation to member, superadmin, analyst;

create policy owner_all on wms.count_expectation
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.count_expectation
to migrator
using (true)
with check (true);

create policy member_select on wms.count_expectation
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from wms.count_session as c
    where c.org_id = count_expectation.org_id
      and c.id = count_expectation.count_id
      and (not c.is_blind or c.status in ('COUNTED', 'POSTED'))
  )
);

create policy superadmin_select on wms.count_expectation
for select to superadmin
using (
  exists (
    select
    from wms.count_session as c
    where c.org_id = count_expectation.org_id
      and c.id = count_expectation.count_id
      and (not c.is_blind or c.status in ('COUNTED', 'POSTED'))
  )
);

create policy analyst_select on wms.count_expectation
for select to analyst
using (
  org_id = (select core.org_id())
  and exists (
    select
    from wms.count_session as c
    where c.org_id = count_expectation.org_id
      and c.id = count_expectation.count_id
      and (not c.is_blind or c.status in ('COUNTED', 'POSTED'))
  )
);

-- no insert, update, delete: the functions of counts, which run as owner
-- no partner: stock is a matter of the warehouse
