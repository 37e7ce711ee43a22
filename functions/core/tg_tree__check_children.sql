-- Trigger of the trees (org_unit, location): nothing active remains below what is not.

create or replace function core.tg_tree__check_children()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org_id uuid;
  v_wrong record;
begin
  for v_org_id in
    select distinct n.org_id
    from new_rows as n
    join old_rows as o on o.org_id = n.org_id and o.id = n.id
    where n.is_active <> o.is_active
    order by n.org_id
  loop
    perform core.lock_tree(tg_relid::regclass, v_org_id, true);
    execute format(
      'select c.id, c.parent_id, '
      'exists (select from new_rows as n where n.org_id = c.org_id and n.id = p.id) as is_parent '
      'from %1$I.%2$I as c join %1$I.%2$I as p on p.org_id = c.org_id and p.id = c.parent_id '
      'where c.org_id = $1 and c.is_active and not p.is_active limit 1',
      tg_table_schema, tg_table_name
    )
    into v_wrong
    using v_org_id;
    if v_wrong.is_parent then
      perform core.raise_error('core.children_active', jsonb_build_object('id', v_wrong.parent_id));
    elsif v_wrong.id is not null then
      perform core.raise_error('core.parent_inactive', jsonb_build_object('parent_id', v_wrong.parent_id));
    end if;
  end loop;
  return null;
end
$$;

comment on function core.tg_tree__check_children() is
  'AFTER UPDATE, by statement (transition tables old_rows, new_rows): no active row may lie below an inactive one: '
  'core.children_active (409), core.parent_inactive (422). A whole branch is switched off or on in one statement.';
