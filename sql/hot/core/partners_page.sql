-- The newest partners: the first page of the list.
select * from api.partners order by id desc limit 20;
