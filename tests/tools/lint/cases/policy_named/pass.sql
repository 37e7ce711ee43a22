create policy member_nothing on core.partner for select to member
using (false);
