-- Puts a partner on hold.

-- Definer: members may not write the status of a partner, only take the steps that core.transition lists.
create or replace function api.partner_hold(id uuid, reason text, version integer default null)
returns api.partners
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_partner api.partners;
begin
  perform core.require_permission('core.partner.hold');
  perform core.set_partner_status(partner_hold.id, 'ON_HOLD', partner_hold.reason, partner_hold.version);
  select * into v_partner from api.partners as p where p.org_id = core.org_id() and p.id = partner_hold.id;
  return v_partner;
end
$$;

comment on function api.partner_hold(uuid, text, integer) is
  E'Put a partner on hold\n'
  'The reason is required and is shown as status_reason. version: the version that was read, to refuse a lost '
  'update. Returns the partner. Errors: core.permission_missing (403), core.not_found (404), '
  'core.transition_refused (409), core.stale_version (412), core.reason_missing (422).';

grant execute on function api.partner_hold(uuid, text, integer) to member, superadmin;
