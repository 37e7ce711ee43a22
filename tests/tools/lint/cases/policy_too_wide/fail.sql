create policy member_all on core.partner for insert to member
with check (true);
