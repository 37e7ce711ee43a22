-- The rules of a document's header that span tables, each with its own error.

create or replace function wms.check_header(
  document_type text,
  from_location_id uuid,
  to_location_id uuid,
  partner_id uuid
)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_is_inside boolean := document_type in ('ADJUSTMENT', 'COUNT', 'MOVE');
  v_has_source boolean := v_is_inside or document_type in ('EXPORT', 'SALE', 'TRANSFER');
  v_has_target boolean := v_is_inside or document_type in ('IMPORT', 'RETURN', 'TRANSFER');
  v_end record;
begin
  if document_type is null or not (v_has_source or v_has_target) then
    perform core.raise_error('wms.document_type_unknown', jsonb_build_object('document_type', document_type));
  end if;

  for v_end in
    select e.name, e.id, e.is_needed, w.kind, w.code, w.is_active
    from (
      values
        ('from_location_id', from_location_id, v_has_source),
        ('to_location_id', to_location_id, v_has_target)
    ) as e (name, id, is_needed)
    left join core.location as w
      on w.org_id = v_org
      and w.id = e.id
  loop
    if v_end.is_needed and v_end.id is null then
      perform core.raise_error(
        'wms.warehouse_missing', jsonb_build_object('document_type', document_type, 'field', v_end.name)
      );
    elsif not v_end.is_needed and v_end.id is not null then
      perform core.raise_error(
        'wms.warehouse_not_wanted', jsonb_build_object('document_type', document_type, 'field', v_end.name)
      );
    elsif v_end.id is not null and v_end.kind is distinct from 'WAREHOUSE' then
      perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', v_end.name, 'id', v_end.id));
    elsif not v_end.is_active then
      perform core.raise_error('wms.place_inactive', jsonb_build_object('place', v_end.code, 'id', v_end.id));
    end if;
  end loop;

  if v_is_inside and from_location_id <> to_location_id then
    perform core.raise_error('wms.one_warehouse', jsonb_build_object('document_type', document_type));
  elsif not v_is_inside and from_location_id = to_location_id then
    perform core.raise_error('wms.same_warehouse', jsonb_build_object('id', from_location_id));
  end if;

  perform wms.check_partner(v_org, partner_id);
end
$$;

comment on function wms.check_header(text, uuid, uuid, uuid) is
  'Raises the error of the first rule that a document header breaks: type, warehouses, partner.';

create or replace function wms.check_partner(org_id uuid, partner_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_status text;
begin
  if partner_id is null then
    return;
  end if;

  v_status := (
    select p.status
    from core.partner as p
    where p.org_id = check_partner.org_id
      and p.id = check_partner.partner_id
  );
  if v_status is null then
    perform core.raise_error('wms.partner_unknown', jsonb_build_object('partner_id', partner_id));
  elsif v_status = 'INACTIVE' then
    perform core.raise_error('wms.partner_inactive', jsonb_build_object('partner_id', partner_id));
  end if;
end
$$;

comment on function wms.check_partner(uuid, uuid) is
  'Raises wms.partner_unknown or wms.partner_inactive (422); no partner is well.';

-- Called by a trigger of wms.document as whoever changes a draft.
grant execute on function wms.check_partner(uuid, uuid) to member, superadmin, migrator;
