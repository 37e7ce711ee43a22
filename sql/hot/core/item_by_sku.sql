-- An item by its number.
select * from api.items where sku = 'SKU-1';
