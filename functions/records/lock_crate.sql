-- The first step of everything that is done to a crate; a request about it is locked before.

create or replace function records.lock_crate(id uuid)
returns records.crate
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_crate records.crate;
  v_units uuid[] := records.all_permitted_units('records.crate.read');
begin
  select c.*
  into v_crate
  from records.crate as c
  where c.org_id = core.org_id()
    and c.id = lock_crate.id
    and (c.unit_id = any (v_units) or c.bound_for_id = any (v_units) or (c.is_for_central and records.is_in_central()))
  for no key update;
  if not found then
    perform core.raise_error('records.crate_not_found', jsonb_build_object('id', id));
  end if;
  return v_crate;
end
$$;

comment on function records.lock_crate(uuid) is
  'Locks a crate until the transaction ends and returns it. Raises records.crate_not_found (404, also when the caller does '
  'not see it).';

create or replace function records.check_no_open_request(crate records.crate)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_open record;
begin
  select r.request_no, r.kind, r.status
  into v_open
  from records.request as r
  where r.org_id = crate.org_id
    and r.crate_id = crate.id
    and r.status in ('PENDING', 'SENT_BACK', 'APPROVED', 'ISSUED', 'PARTIALLY_RETURNED', 'IN_TRANSIT');
  if found then
    perform core.raise_error(
      'records.request_open',
      jsonb_build_object('barcode', crate.barcode, 'number', v_open.request_no, 'kind', v_open.kind, 'status', v_open.status)
    );
  end if;
end
$$;

comment on function records.check_no_open_request(records.crate) is
  'Raises records.request_open (409) when a request for the crate is under way. The caller holds the crate.';

create or replace function records.check_available(crate records.crate)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if crate.status not in ('ACTIVE', 'ARCHIVED') then
    perform core.raise_error(
      'records.crate_not_available', jsonb_build_object('barcode', crate.barcode, 'status', crate.status)
    );
  end if;
  perform records.check_no_open_request(crate);
end
$$;

comment on function records.check_available(records.crate) is
  'Raises records.crate_not_available or records.request_open (409) unless the crate lies in its place and nothing is asked '
  'for it. The caller holds the crate.';
