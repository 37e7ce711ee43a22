-- Whether a crate may be destroyed.

create or replace function records.check_destruction(crate records.crate)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_out uuid;
begin
  if crate.status not in ('ACTIVE', 'ARCHIVED') then
    perform core.raise_error(
      'records.crate_not_available', jsonb_build_object('barcode', crate.barcode, 'status', crate.status)
    );
  end if;
  perform records.check_hold(crate.org_id, crate.id, null);
  if crate.is_retained then
    perform core.raise_error('records.crate_retained', jsonb_build_object('barcode', crate.barcode));
  elsif crate.destruction_on > core.today() then
    perform core.raise_error(
      'records.destruction_not_due', jsonb_build_object('barcode', crate.barcode, 'destruction_on', crate.destruction_on)
    );
  end if;
  select x.document_id
  into v_out
  from records.request_document as x
  inner join records.crate_document as e
    on e.org_id = x.org_id
    and e.document_id = x.document_id
    and e.crate_id = crate.id
    and e.removed_at is null
  where x.org_id = crate.org_id
    and x.issued_at is not null
    and x.returned_at is null
    and x.missing_at is null
  limit 1;
  if found or not exists (
    select
    from records.custody as c
    where c.org_id = crate.org_id
      and c.crate_id = crate.id
      and c.location_id is not null
      and upper_inf(c.during)
  ) then
    perform core.raise_error('records.not_in_custody', jsonb_build_object('barcode', crate.barcode, 'document_id', v_out));
  end if;
end
$$;

comment on function records.check_destruction(records.crate) is
  'Raises records.crate_not_available (409: withdrawn, on its way, destroyed), records.held (423), records.crate_retained, '
  'records.destruction_not_due (422), records.not_in_custody (409: the store has not all of it). The caller holds the crate.';
