grant delete on core.partner to member;
create policy member_delete on core.partner for delete to member
using (org_id = (select core.org_id()));
