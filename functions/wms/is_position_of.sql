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

create or replace function wms.are_ends_of(
  document_type text,
  from_kind text,
  from_path public.ltree,
  from_warehouse_path public.ltree,
  to_kind text,
  to_path public.ltree,
  to_warehouse_path public.ltree
)
returns boolean
language sql
immutable
parallel safe
return case
  when are_ends_of.document_type in ('ADJUSTMENT', 'COUNT')
    then (
      are_ends_of.from_kind = 'LOSS'
      and wms.is_position_of(are_ends_of.to_kind, are_ends_of.to_path, are_ends_of.to_warehouse_path)
    )
    or (
      are_ends_of.to_kind = 'LOSS'
      and wms.is_position_of(are_ends_of.from_kind, are_ends_of.from_path, are_ends_of.from_warehouse_path)
    )
  else
    wms.is_position_of(are_ends_of.from_kind, are_ends_of.from_path, are_ends_of.from_warehouse_path)
    and wms.is_position_of(are_ends_of.to_kind, are_ends_of.to_path, are_ends_of.to_warehouse_path)
end;

comment on function wms.are_ends_of(text, text, public.ltree, public.ltree, text, public.ltree, public.ltree) is
  'Whether two places may be the ends of a line of a document: positions of its warehouses, or virtual places where it has '
  'none; in an adjustment or a count one of them is LOSS.';
