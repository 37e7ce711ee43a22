-- a table with version and updated_at has the trigger that keeps them
-- core.tg_row__touch refuses a stale version (412) and counts it up; without it updates are lost in silence.
select
  'version_guarded' as rule,
  c.oid::regclass::text as object,
  'has version and updated_at, and no trigger core.tg_row__touch' as detail,
  'create or replace trigger touch before update on … for each row execute function core.tg_row__touch()' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and (
    select count(*)
    from pg_attribute as a
    where a.attrelid = c.oid
      and a.attname in ('version', 'updated_at')
      and not a.attisdropped
  ) = 2
  and not exists (
    select
    from pg_trigger as t
    inner join pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = c.oid
      and p.proname = 'tg_row__touch'
      and t.tgenabled = 'O'
  );
