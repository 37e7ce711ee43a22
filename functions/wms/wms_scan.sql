-- What a barcode is, and what may be done with it.

create type api.wms_scanned as (
  entity text,
  id uuid,
  title text,
  subtitle text,
  details jsonb,
  actions jsonb
);

comment on type api.wms_scanned is 'One meaning of a barcode';

create or replace function api.wms_scan(barcode text)
returns setof api.wms_scanned
language plpgsql
stable
parallel safe
rows 2
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_code text := btrim(barcode);
  v_gs1 jsonb;
  v_gtin text;
  v_lot_no text;
  v_items uuid[];
  v_meaning record;
  v_row api.wms_scanned;
  v_count integer := 0;
begin
  if coalesce(v_code, '') = '' then
    perform core.raise_error('wms.barcode_missing');
  elsif length(v_code) > 200 then
    perform core.raise_error('wms.barcode_malformed', jsonb_build_object('barcode', left(v_code, 40)));
  end if;

  v_gs1 := wms.read_gs1(v_code);
  if v_code ~ '^(\]|\([0-9]{2,4}\))' and v_gs1 is null then
    perform core.raise_error('wms.barcode_malformed', jsonb_build_object('barcode', v_code));
  end if;
  v_gtin := coalesce(v_gs1 ->> '01', v_gs1 ->> '02', case when v_code ~ '^([0-9]{8}|[0-9]{12,14})$' then v_code end);
  v_lot_no := coalesce(v_gs1 ->> '21', v_gs1 ->> '10');
  if (v_gs1 ?| array['01', '02'] and not wms.is_gs1_number(v_gtin))
    or (v_gs1 ? '00' and not wms.is_gs1_number(v_gs1 ->> '00'))
  then
    perform core.raise_error(
      'wms.barcode_check_digit', jsonb_build_object('number', coalesce(v_gs1 ->> '00', v_gtin))
    );
  elsif v_gs1 ? '17' and wms.gs1_date(v_gs1 ->> '17') is null then
    perform core.raise_error('wms.barcode_malformed', jsonb_build_object('barcode', v_gs1 ->> '17'));
  end if;

  -- The trade item: its number is on the label with 8, 12, 13 or 14 digits, zeros in front.
  if v_gtin is not null then
    v_items := array(
      select distinct b.item_id
      from core.item_barcode as b
      where b.org_id = v_org
        and b.barcode in (v_gtin, lpad(v_gtin, 14, '0'))
        or (
          b.org_id = v_org
          and b.barcode in (
            select right(lpad(v_gtin, 14, '0'), n) from unnest(array[8, 12, 13]) as n where ltrim(v_gtin, '0') <> ''
              and length(ltrim(v_gtin, '0')) <= n
          )
        )
    );
  end if;

  for v_meaning in
    select distinct f.entity, f.id
    from (
      -- A code that stands for itself: article number, barcode, lot, place, document.
      select c.entity, c.id
      from core.find_code(coalesce(v_gs1 ->> '00', v_code)) as c
      where v_gs1 is null or v_gs1 ? '00'
      union all
      select 'item', i.id
      from unnest(v_items) as i (id)
      union all
      select 'wms_lot', t.id
      from wms.lot as t
      where t.org_id = v_org
        and t.lot_no = v_lot_no
        and (v_gtin is null or t.item_id = any (v_items))
      union all
      -- warehouse/position
      select 'location', p.id
      from core.location as p
      inner join core.location as u
        on u.org_id = p.org_id
        and u.id = p.parent_id
      where v_code like '%_/_%'
        and p.org_id = v_org
        and u.kind = 'WAREHOUSE'
        and u.code = split_part(v_code, '/', 1)
        and p.code = split_part(v_code, '/', 2)
    ) as f
    order by f.entity, f.id
  loop
    execute (
      select format('select d.title, d.subtitle from %s(array[$1]) as d', e.describe_function::regproc)
      from core.search_entity as e
      where e.entity = v_meaning.entity
    ) into v_row.title, v_row.subtitle using v_meaning.id;
    if v_row.title is not null then
      v_row.entity := v_meaning.entity;
      v_row.id := v_meaning.id;
      v_row.details := wms.scan_details(v_meaning.entity, v_meaning.id, v_gs1, v_gtin);
      v_row.actions := wms.actions_of(v_meaning.entity, v_meaning.id);
      v_count := v_count + 1;
      return next v_row;
    end if;
  end loop;

  -- A lot that nobody has registered yet, of an item that is known.
  if v_lot_no is not null and v_items <> '{}' and not exists (
    select
    from wms.lot as t
    where t.org_id = v_org
      and t.item_id = any (v_items)
      and t.lot_no = v_lot_no
  ) then
    v_row := row(
      'wms_lot', null, v_lot_no, null,
      wms.scan_details('wms_lot', null, v_gs1, v_gtin) || jsonb_build_object('is_new', true, 'item_id', v_items[1]), '[]'
    );
    v_count := v_count + 1;
    return next v_row;
  end if;
  if v_count = 0 then
    perform core.raise_error('wms.barcode_unknown', jsonb_build_object('barcode', v_code));
  end if;
end
$$;

comment on function api.wms_scan(text) is
  'What a barcode is, and what the caller may do with it now
Every meaning it has: item (GTIN, article number), lot or serial number, warehouse or position (also as warehouse/position),
document, handling unit. GS1-128, DataMatrix and QR with application identifiers are read, in brackets or as a scanner sends
them (FNC1 is character 29); details.gs1 has them all. actions: functions, whether they may be called, and the error if not.
Errors: wms.barcode_missing, wms.barcode_malformed, wms.barcode_check_digit (422), wms.barcode_unknown (404).';

grant execute on function api.wms_scan(text) to member, superadmin, migrator;
