-- path: sql/api/core_case.sql
create view api.cases with (security_invoker = true) as
select i.id, (select count(*) from core.item) as n from core.item as i;
