-- The newest items: the first page of the list.
select * from api.items order by id desc limit 20;
