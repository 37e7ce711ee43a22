-- Which places a document takes for its lines when they name none.

create or replace function wms.outside_kind(document_type text)
returns text
language sql
immutable
parallel safe
return case outside_kind.document_type
  when 'IMPORT' then 'SUPPLIER'
  when 'EXPORT' then 'CUSTOMER'
  when 'SALE' then 'CUSTOMER'
  when 'RETURN' then 'CUSTOMER'
  when 'ADJUSTMENT' then 'LOSS'
  when 'COUNT' then 'LOSS'
end;

comment on function wms.outside_kind(text) is
  'The kind of virtual place that stands for the outside in a document of this type; null when it has two real ends.';

create or replace function wms.virtual_place(org_id uuid, kind text)
returns uuid
language sql
stable
parallel safe
return (
  select p.id
  from core.location as p
  where p.org_id = virtual_place.org_id
    and p.kind = virtual_place.kind
    and p.is_virtual
);

comment on function wms.virtual_place(uuid, text) is 'The virtual place SUPPLIER, CUSTOMER, PRODUCTION or LOSS.';

create or replace function wms.default_position(org_id uuid, document_type text, warehouse_id uuid, is_inbound boolean)
returns uuid
language sql
stable
parallel safe
return (
  select p.id
  from core.location as p
  where p.org_id = default_position.org_id
    and p.is_active
    -- A line of an adjustment, a count or a move says where.
    and default_position.document_type not in ('ADJUSTMENT', 'COUNT', 'MOVE')
    and (
      case
        when default_position.warehouse_id is null
          then p.kind = wms.outside_kind(default_position.document_type)
        else
          p.kind = (
            select core.setting(
              case when default_position.is_inbound then 'wms.inbound_position' else 'wms.outbound_position' end
            ) #>> '{}'
          )
          and p.path operator (public.<@) (
            select w.path
            from core.location as w
            where w.org_id = default_position.org_id
              and w.id = default_position.warehouse_id
          )
      end
    )
  order by p.id
  limit 1
);

comment on function wms.default_position(uuid, text, uuid, boolean) is
  'Where the goods of a line go to or come from unless it says so: the oldest active position of the kind that the '
  'organisation set, or the virtual place when there is no warehouse at that end. None for an adjustment, a count, a move.';
