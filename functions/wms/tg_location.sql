-- Triggers on places for the sake of stock: it changes its warehouse by a document only.

create or replace function wms.tg_location__keep_stock()
returns trigger
language plpgsql
volatile
parallel unsafe
-- definer: who may move a place need not be able to remove empty balances
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_was uuid;
  v_becomes uuid;
  v_path public.ltree;
begin
  v_becomes := (
    select w.id
    from core.location as p
    inner join core.location as w
      on w.org_id = p.org_id
      and w.kind = 'WAREHOUSE'
      and w.path operator (public.@>) p.path
    where p.org_id = new.org_id
      and p.id = new.parent_id
  );

  if new.kind = 'WAREHOUSE' and v_becomes is not null then
    perform core.raise_error('wms.warehouse_in_warehouse', jsonb_build_object('id', new.id, 'code', new.code));
  end if;

  if tg_op = 'UPDATE' then
    v_path := old.path;
    v_was := (
      select w.id
      from core.location as w
      where w.org_id = old.org_id
        and w.kind = 'WAREHOUSE'
        and w.path operator (public.@>) v_path
    );
    if old.kind = 'WAREHOUSE' and new.kind = 'WAREHOUSE' or v_was is not distinct from v_becomes and old.kind = new.kind then
      return new;
    end if;

    if exists (
      select
      from core.location as p
      inner join wms.balance as b
        on b.org_id = p.org_id
        and b.location_id = p.id
      where p.org_id = old.org_id
        and p.path operator (public.<@) v_path
        and b.quantity <> 0
    ) then
      perform core.raise_error('wms.place_holds_stock', jsonb_build_object('id', old.id, 'code', old.code));
    end if;

    delete from wms.balance as b
    using core.location as p
    where p.org_id = old.org_id
      and p.path operator (public.<@) v_path
      and b.org_id = p.org_id
      and b.location_id = p.id;
  end if;

  return new;
end
$$;

comment on function wms.tg_location__keep_stock() is
  'Refuses a warehouse inside another, and to move or turn a place that holds stock out of its warehouse.';

create or replace trigger keep_stock_insert
before insert on core.location
for each row
when (new.kind = 'WAREHOUSE')
execute function wms.tg_location__keep_stock();

create or replace trigger keep_stock_update
before update of parent_id, kind on core.location
for each row
when (old.parent_id is distinct from new.parent_id or old.kind <> new.kind)
execute function wms.tg_location__keep_stock();
