-- On whose behalf a function of signing in goes on, once it knows.

create or replace function core.act_as(claims jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform set_config('request.jwt.claims', jsonb_strip_nulls(act_as.claims)::text, true);
  perform set_config('erpgres.org_id', act_as.claims ->> 'org_id', true);
end
$$;

comment on function core.act_as(jsonb) is
  'Take these claims until the transaction ends, so that policies show what concerns this user. Not for API roles.';
