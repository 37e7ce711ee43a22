-- An empty pallet, carton or the like.

create or replace function api.wms_handling_unit_create(
  position_id uuid,
  kind text default 'PALLET',
  sscc text default null,
  note text default null,
  id uuid default null
)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: units are written by these functions only, which keep them and the balances together
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_handling_unit_create.id, uuidv7());
  v_position wms.place;
  v_sscc text := regexp_replace(wms_handling_unit_create.sscc, '^\(00\)|\s', '', 'g');
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.create');
  v_position := wms.require_position(position_id);
  if kind is null or kind not in ('PALLET', 'CARTON', 'CRATE', 'CAGE', 'DRUM', 'ROLL', 'BAG', 'TOTE') then
    perform core.raise_error('wms.handling_unit_kind_unknown', jsonb_build_object('kind', kind));
  elsif v_sscc !~ '^[0-9]{18}$' or substr(v_sscc, 18) <> wms.gs1_check_digit(left(v_sscc, 17)) then
    perform core.raise_error('wms.sscc_invalid', jsonb_build_object('sscc', sscc));
  end if;
  v_sscc := coalesce(v_sscc, wms.make_sscc(v_id));
  if exists (select from wms.handling_unit as u where u.org_id = v_org and (u.sscc = v_sscc or u.id = v_id)) then
    perform core.raise_error('wms.handling_unit_exists', jsonb_build_object('sscc', v_sscc));
  end if;

  insert into wms.handling_unit (org_id, id, sscc, kind, location_id, warehouse_id, note)
  values (
    v_org, v_id, v_sscc, wms_handling_unit_create.kind, v_position.id, v_position.warehouse_id,
    nullif(btrim(wms_handling_unit_create.note), '')
  );

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_org and u.id = v_id;
  return v_row;
end
$$;

comment on function api.wms_handling_unit_create(uuid, text, text, text, uuid) is
  'Make an empty handling unit at a position
kind is PALLET, CARTON, CRATE, CAGE, DRUM, ROLL, BAG or TOTE. sscc is the number on its label (18 digits, the last a check
digit, with or without "(00)" before it); left out, the next one of the organisation''s GS1 company prefix (setting
wms.gs1_company_prefix). Needs wms.handling_unit.create.';

grant execute on function api.wms_handling_unit_create(uuid, text, text, text, uuid) to member, superadmin, migrator;
