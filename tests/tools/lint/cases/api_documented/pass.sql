create view api.careless_items with (security_invoker = true) as
select id from core.item;
comment on view api.careless_items is 'Items';
comment on column api.careless_items.id is 'Id';
