-- What a hit of the search is called in the warehouse: the policies of the tables decide which rows that are.

create or replace function wms.describe_lots(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select t.id, t.lot_no, concat_ws(' · ', i.sku, i.name, nullif(t.status, 'APPROVED'))
  from wms.lot as t
  inner join core.item as i
    on i.org_id = t.org_id
    and i.id = t.item_id
  where t.org_id = (select core.org_id())
    and t.id = any (describe_lots.ids);
end;

comment on function wms.describe_lots(uuid[]) is 'Number, and item, of lots that the caller may see';

grant execute on function wms.describe_lots(uuid[]) to member, superadmin;

create or replace function wms.describe_documents(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select
    d.id,
    coalesce(d.number, d.reference, d.document_type),
    concat_ws(' · ', d.document_type, d.status, case when d.number is not null then d.reference end, p.name)
  from wms.document as d
  left join core.partner as p
    on p.org_id = d.org_id
    and p.id = d.partner_id
  where d.org_id = (select core.org_id())
    and d.id = any (describe_documents.ids);
end;

comment on function wms.describe_documents(uuid[]) is
  'Number or reference, and type, status and partner, of documents that the caller may see';

grant execute on function wms.describe_documents(uuid[]) to member, partner, superadmin;

create or replace function wms.describe_handling_units(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select h.id, h.sscc, concat_ws(' · ', h.kind, h.status, w.code || '/' || p.code, h.note)
  from wms.handling_unit as h
  inner join core.location as p
    on p.org_id = h.org_id
    and p.id = h.location_id
  inner join core.location as w
    on w.org_id = h.org_id
    and w.id = h.warehouse_id
  where h.org_id = (select core.org_id())
    and h.id = any (describe_handling_units.ids);
end;

comment on function wms.describe_handling_units(uuid[]) is
  'SSCC, kind, status and place of handling units that the caller may see';

grant execute on function wms.describe_handling_units(uuid[]) to member, superadmin;
