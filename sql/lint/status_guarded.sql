-- a status changes by the steps of core.transition only
-- core.tg_row__guard_status refuses every other step, whoever takes it.
select
  'status_guarded' as rule,
  c.oid::regclass::text as object,
  'has a status, and no trigger core.tg_row__guard_status' as detail,
  'create or replace trigger guard_status before insert or update of status on …' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as a on a.attrelid = c.oid and a.attname = 'status' and not a.attisdropped
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and not exists (
    select
    from pg_trigger as t
    inner join pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = c.oid
      and p.proname = 'tg_row__guard_status'
      and t.tgenabled = 'O'
  );
