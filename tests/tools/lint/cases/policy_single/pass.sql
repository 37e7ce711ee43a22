drop policy member_select on core.partner;
create policy member_select on core.partner for select to member
using (org_id = (select core.org_id()) and status = 'ACTIVE');
