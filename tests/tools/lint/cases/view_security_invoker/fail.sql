create view api.careless_items as
select id from core.item;
