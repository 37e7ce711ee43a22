-- path: sql/api/core_case.sql
create view api.cases with (security_invoker = true) as
select i.* from core.item as i;
