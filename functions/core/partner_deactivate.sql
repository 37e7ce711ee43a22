-- Ends the business with a partner.

-- Definer: members may not write the status of a partner, only take the steps that core.transition lists.
create or replace function api.partner_deactivate(id uuid, reason text, version integer default null)
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
  perform core.require_permission('core.partner.deactivate');
  perform core.set_partner_status(
    partner_deactivate.id, 'INACTIVE', partner_deactivate.reason, partner_deactivate.version
  );
  select * into v_partner from api.partners as p where p.org_id = core.org_id() and p.id = partner_deactivate.id;
  return v_partner;
end
$$;

comment on function api.partner_deactivate(uuid, text, integer) is
  E'End the business with a partner\n'
  'Its EXTERNAL users cannot sign in any more. The reason is required and is shown as status_reason. Returns the '
  'partner. Errors: core.permission_missing (403), core.not_found (404), core.transition_refused (409), '
  'core.stale_version (412), core.reason_missing (422).';

grant execute on function api.partner_deactivate(uuid, text, integer) to member, superadmin;
