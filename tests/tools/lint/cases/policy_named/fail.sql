create policy everybody on core.partner for select to member, partner
using (false);
