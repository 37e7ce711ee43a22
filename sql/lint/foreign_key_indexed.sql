-- a foreign key has an index
-- Without one, a delete or a change of the key in the other table reads this one whole, under a lock. The index holds all
-- rows and begins with columns of the key: with the only one, or with org_id and another.
select
  'foreign_key_indexed' as rule,
  k.conrelid::regclass::text || '.' || k.conname as object,
  'no index begins with the columns of ' || pg_get_constraintdef(k.oid) as detail,
  'create index on the columns of the key, in its order' as hint
from pg_constraint as k
inner join pg_class as c on c.oid = k.conrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and k.contype = 'f'
  and k.conparentid = 0
  and not c.relispartition
  and not exists (
    select
    from pg_index as i
    where i.indrelid = k.conrelid
      and i.indisvalid
      and (
        i.indpred is null
        -- rows that the key does not bind need not be in it
        or exists (
          select
          from pg_attribute as a
          where a.attrelid = k.conrelid
            and a.attnum = any (k.conkey)
            and pg_get_expr(i.indpred, i.indrelid) = '(' || quote_ident(a.attname) || ' IS NOT NULL)'
        )
      )
      and (i.indkey::int2[])[0:least(cardinality(k.conkey), 2) - 1] <@ k.conkey
  );
