-- Restores the approval policies of an entity.

-- Definer: the permission below is for the whole of it.
create or replace function api.approval_policies_reset(entity text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_permission('core.approval_policy.delete');
  if not exists (select from core.approval_entity as e where e.entity = approval_policies_reset.entity) then
    perform core.raise_error(
      'core.approval_entity_unknown', jsonb_build_object('entity', approval_policies_reset.entity)
    );
  end if;
  return jsonb_build_object(
    'entity', approval_policies_reset.entity,
    'policies', core.reset_approval_policies(core.org_id(), approval_policies_reset.entity)
  );
end
$$;

comment on function api.approval_policies_reset(text) is
  E'Restore the approval policies of an entity\n'
  'Puts those that every organisation begins with in place of its own. Approvals that are open keep their steps. Returns '
  'entity and policies, how many there are now. Errors: core.permission_missing (403), core.approval_entity_unknown (422).';

grant execute on function api.approval_policies_reset(text) to member, superadmin;
