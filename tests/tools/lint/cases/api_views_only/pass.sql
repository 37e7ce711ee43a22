create view api.careless_items with (security_invoker = true) as
select id from core.item;
