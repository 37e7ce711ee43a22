create policy superadmin_all on core.partner for insert to superadmin
with check (true);
