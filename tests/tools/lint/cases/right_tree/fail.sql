-- path: migrations/V9001__core_case.sql
create policy member_select on core.item for select to member using (true);
