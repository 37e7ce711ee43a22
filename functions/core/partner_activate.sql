-- Lifts a hold, or takes a partner back into business.

-- Definer: members may not write the status of a partner, only take the steps that core.transition lists.
create or replace function api.partner_activate(id uuid, reason text default null, version integer default null)
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
  perform core.require_permission('core.partner.activate');
  perform core.set_partner_status(partner_activate.id, 'ACTIVE', partner_activate.reason, partner_activate.version);
  select * into v_partner from api.partners as p where p.org_id = core.org_id() and p.id = partner_activate.id;
  return v_partner;
end
$$;

comment on function api.partner_activate(uuid, text, integer) is
  E'Make a partner active again\n'
  'Lifts a hold or takes an inactive partner back; the old status_reason is replaced by reason, which may be left '
  'out. Returns the partner. Errors: core.permission_missing (403), core.not_found (404), core.transition_refused '
  '(409), core.stale_version (412).';

grant execute on function api.partner_activate(uuid, text, integer) to member, superadmin;
