create view api.careless_item with (security_invoker = true) as
select id from core.item;
