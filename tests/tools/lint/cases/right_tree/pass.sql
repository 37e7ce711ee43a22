-- path: policies/core/item.sql
create policy member_select on core.item for select to member using (true);
