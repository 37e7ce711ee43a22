-- Whether a user must set up a second factor before anything else.

create or replace function core.must_set_up_second_factor()
returns boolean
language plpgsql
stable
parallel safe
as $$
begin
  return (
    case core.claims() ->> 'role'
      when 'superadmin' then (core.installation_setting('core.second_factor_for_superadmin') #>> '{}')::boolean
      else exists (
        select
        from core.user_role as u
        join core.role as r on r.org_id = u.org_id and r.id = u.role_id
        where u.org_id = core.org_id() and u.user_id = core.user_id() and r.requires_second_factor
      )
    end
  )
  and not exists (
    select from core.second_factor as f where f.user_id = core.user_id() and f.confirmed_at is not null
  );
end
$$;

comment on function core.must_set_up_second_factor() is
  'Whether a role that the user of the claims holds in the organisation asks for a second factor that he does not have';
