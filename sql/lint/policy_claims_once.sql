-- a policy reads claims and permissions once a statement
-- Functions of the claims stand in a scalar sub-select, which runs once; bare, they would run for every row.
with e as materialized (
  select
    p.polrelid,
    p.polname,
    concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) as text
  from pg_policy as p
  inner join pg_class as c on c.oid = p.polrelid
  inner join pg_namespace as n on n.oid = c.relnamespace
  where n.nspowner = 'owner'::regrole
)

select
  'policy_claims_once' as rule,
  e.polrelid::regclass::text || '.' || e.polname as object,
  f.name || '() stands outside a sub-select' as detail,
  '(select ' || f.name || '(…))' as hint
from e
cross join (
  values
    ('core.org_id'),
    ('core.user_id'),
    ('core.partner_id'),
    ('core.claims'),
    ('core.has_permission'),
    ('current_setting')
) as f (name)
where strpos(e.text, f.name || '(') > 0
  and regexp_count(e.text, '(?<![a-z_.])' || replace(f.name, '.', '\.') || '\(')
  <> regexp_count(e.text, 'SELECT \(?' || replace(f.name, '.', '\.') || '\(');
