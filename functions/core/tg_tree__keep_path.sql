-- Trigger of the trees (org_unit, location): the path of a new or moved row.

create or replace function core.tg_tree__keep_path()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_label text := replace(new.id::text, '-', '');
  v_path public.ltree;
  v_is_active boolean;
begin
  if tg_op = 'UPDATE' then
    new.path := old.path;
    if new.parent_id is not distinct from old.parent_id then
      return new;
    end if;
  end if;
  perform core.lock_tree(tg_relid::regclass, new.org_id, tg_op = 'UPDATE');
  if new.parent_id is null then
    new.path := v_label::public.ltree;
    return new;
  end if;

  execute format('select path, is_active from %I.%I where org_id = $1 and id = $2', tg_table_schema, tg_table_name)
  into v_path, v_is_active
  using new.org_id, new.parent_id;
  if v_path is null then
    new.path := v_label::public.ltree; -- no such parent: the foreign key says so
    return new;
  end if;
  if tg_op = 'UPDATE' and v_path operator(public.<@) old.path then
    perform core.raise_error('core.tree_cycle', jsonb_build_object('id', new.id, 'parent_id', new.parent_id));
  end if;
  if not v_is_active and new.is_active then
    perform core.raise_error('core.parent_inactive', jsonb_build_object('parent_id', new.parent_id));
  end if;
  new.path := (v_path::text || '.' || v_label)::public.ltree;
  return new;
end
$$;

comment on function core.tg_tree__keep_path() is
  'BEFORE INSERT OR UPDATE OF parent_id: sets path; core.tree_cycle (422) below itself, core.parent_inactive (422) '
  'below a parent that is not active';
