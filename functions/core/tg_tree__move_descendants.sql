-- Trigger of the trees (org_unit, location): what lies below a moved row moves with it.

create or replace function core.tg_tree__move_descendants()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  execute format(
    'update %I.%I set path = ($1::text || substr(path::text, length($2::text) + 1))::public.ltree '
    'where org_id = $3 and path operator(public.<@) $2 and id <> $4',
    tg_table_schema, tg_table_name
  )
  using new.path, old.path, new.org_id, new.id;
  return null;
end
$$;

comment on function core.tg_tree__move_descendants() is
  'AFTER UPDATE OF parent_id: gives all descendants of a moved row their new path';
