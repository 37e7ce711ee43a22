-- A partner by its code.
select * from api.partners where code = 'P-0001';
