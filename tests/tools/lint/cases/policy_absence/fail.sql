-- path: policies/core/item.sql
-- Items.
grant select on core.item to member;
grant update (name) on core.item to member;
-- no delete: items are made inactive
