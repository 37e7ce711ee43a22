-- The one statement that changes the status of a partner.

create or replace function core.set_partner_status(id uuid, status text, reason text, version integer)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update core.partner as p
  set
    status = set_partner_status.status,
    status_reason = nullif(btrim(set_partner_status.reason), ''),
    version = coalesce(set_partner_status.version, p.version)
  where p.org_id = core.org_id() and p.id = set_partner_status.id;
  if not found then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', 'partner', 'id', set_partner_status.id)
    );
  end if;
end
$$;

comment on function core.set_partner_status(uuid, text, text, integer) is
  'Give a partner of the organisation a status with its reason; who calls it has rights on the table. The trigger '
  'decides whether the step is allowed. Raises core.not_found (404).';
