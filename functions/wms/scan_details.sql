-- What a scanner shows of what it read.

create or replace function wms.scan_details(entity text, id uuid, gs1 jsonb, gtin text)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_details jsonb := '{}';
begin
  if entity = 'item' then
    v_details := (
      select jsonb_build_object(
        'sku', i.sku, 'tracking', i.tracking, 'unit_code', i.unit_code,
        -- What one scan of this barcode stands for.
        'barcode_unit_code', (
          select b.unit_code
          from core.item_barcode as b
          where b.org_id = i.org_id
            and b.item_id = i.id
            and ltrim(b.barcode, '0') = ltrim(scan_details.gtin, '0')
          order by b.barcode
          limit 1
        ),
        'available', (
          select trim_scale(coalesce(sum(b.quantity - b.reserved), 0))
          from wms.balance as b
          where b.org_id = i.org_id
            and b.item_id = i.id
        )
      )
      from core.item as i
      where i.org_id = v_org
        and i.id = scan_details.id
    );
  elsif entity = 'wms_lot' and id is not null then
    v_details := (
      select jsonb_build_object(
        'item_id', t.item_id, 'status', t.status, 'expires_on', t.expires_on,
        'is_expired', coalesce(t.expires_on < core.today(), false),
        'available', (
          select trim_scale(coalesce(sum(b.quantity - b.reserved), 0))
          from wms.balance as b
          where b.org_id = t.org_id
            and b.item_id = t.item_id
            and b.lot_id = t.id
        )
      )
      from wms.lot as t
      where t.org_id = v_org
        and t.id = scan_details.id
    );
  elsif entity = 'location' then
    v_details := (
      select jsonb_build_object('kind', p.kind, 'zone', p.zone, 'parent_id', p.parent_id, 'is_active', p.is_active)
      from core.location as p
      where p.org_id = v_org
        and p.id = scan_details.id
    );
  elsif entity = 'wms_handling_unit' then
    v_details := (
      select jsonb_build_object(
        'kind', h.kind, 'status', h.status, 'location_id', h.location_id, 'version', h.version,
        'contents', (
          select coalesce(
            jsonb_agg(
              jsonb_build_object(
                'item_id', i.id, 'sku', i.sku, 'lot_id', c.lot_id, 'lot_no', t.lot_no, 'quantity', trim_scale(c.quantity),
                'unit_code', i.unit_code
              )
              order by i.sku, t.lot_no
            ),
            '[]'
          )
          from wms.handling_unit_content as c
          inner join core.item as i
            on i.org_id = c.org_id
            and i.id = c.item_id
          left join wms.lot as t
            on t.org_id = c.org_id
            and t.id = c.lot_id
          where c.org_id = h.org_id
            and c.handling_unit_id = h.id
        )
      )
      from wms.handling_unit as h
      where h.org_id = v_org
        and h.id = scan_details.id
    );
  elsif entity = 'wms_document' then
    v_details := (
      select jsonb_build_object(
        'document_type', d.document_type, 'status', d.status, 'line_count', d.line_count, 'version', d.version
      )
      from wms.document as d
      where d.org_id = v_org
        and d.id = scan_details.id
    );
  end if;
  if gs1 is not null then
    v_details := v_details || jsonb_build_object('gs1', gs1) || case
      when gs1 ? '17' then jsonb_build_object('expires_on_label', wms.gs1_date(gs1 ->> '17'))
      else '{}'
    end;
  end if;
  return v_details;
end
$$;

comment on function wms.scan_details(text, uuid, jsonb, text) is
  'What concerns one meaning of a barcode: state, stock that may be taken, and what the label says itself.';

grant execute on function wms.scan_details(text, uuid, jsonb, text) to member, superadmin, migrator;
