-- Removes the second factor of somebody who lost it.

-- Definer: nobody reads or writes second factors.
create or replace function api.user_second_factor_reset(id uuid)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_here boolean;
  v_everywhere bigint;
begin
  perform core.require_person();
  perform core.require_over_user('core.user.reset_second_factor', user_second_factor_reset.id);
  if v_claims ->> 'role' <> 'superadmin' then
    v_here := exists (
      select from core.membership as m where m.org_id = core.org_id() and m.user_id = user_second_factor_reset.id
    );
    perform core.act_as(jsonb_build_object('sub', user_second_factor_reset.id));
    select count(*) into v_everywhere from core.membership as m where m.user_id = user_second_factor_reset.id;
    perform core.act_as(v_claims);
    if not v_here then
      perform core.raise_error('core.not_found', jsonb_build_object('entity', 'user', 'id', user_second_factor_reset.id));
    end if;
    -- The factor guards the other organisations as well.
    if v_everywhere > 1 then
      perform core.raise_error('core.user_shared');
    end if;
  end if;
  delete from core.second_factor as f where f.user_id = user_second_factor_reset.id;
  if found then
    perform core.end_sessions(user_second_factor_reset.id, 'SECOND_FACTOR_RESET');
    perform core.log_security(
      'SECOND_FACTOR_RESET', user_second_factor_reset.id, (v_claims ->> 'sid')::uuid, (v_claims ->> 'org_id')::uuid
    );
  end if;
  return jsonb_build_object('id', user_second_factor_reset.id, 'reset', true);
end
$$;

comment on function api.user_second_factor_reset(uuid) is
  E'Remove the second factor of a user\n'
  'For somebody who lost it; ends his sessions. For a user of several organisations a SUPER_ADMIN does it. Returns id '
  'and reset. Errors: core.permission_missing, core.api_key_refused, core.user_shared (403), core.not_found (404).';

grant execute on function api.user_second_factor_reset(uuid) to member, superadmin;
