-- Which places may stand at an end of a line.

create or replace function wms.is_position_of(kind text, path public.ltree, warehouse_path public.ltree)
returns boolean
language sql
immutable
parallel safe
return case
  when is_position_of.warehouse_path is null
    then is_position_of.kind in ('SUPPLIER', 'CUSTOMER', 'PRODUCTION', 'LOSS')
  else
    is_position_of.kind not in ('SITE', 'WAREHOUSE', 'GIN', 'PORT', 'SUPPLIER', 'CUSTOMER', 'PRODUCTION', 'LOSS')
    and is_position_of.path operator (public.<@) is_position_of.warehouse_path
end;

comment on function wms.is_position_of(text, public.ltree, public.ltree) is
  'Whether a place lies in a warehouse and holds stock; without a warehouse: whether it stands for the outside.';

-- The import of opening stock asks it as whoever imports.
grant execute on function wms.is_position_of(text, public.ltree, public.ltree) to member, superadmin, migrator;
