create policy member_more on core.partner for select to member
using (org_id = (select core.org_id()));
