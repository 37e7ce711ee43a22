-- Hands a crate over: what was ends, what is begins, at the same moment.

create or replace function records.give_custody(
  crate_id uuid,
  location_id uuid,
  holder_id uuid,
  reason text,
  request_id uuid default null,
  note text default null
)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_since timestamptz;
  -- Not now(): who waited for the crate began before the one that he waited for.
  v_at timestamptz := clock_timestamp();
begin
  select lower(c.during)
  into v_since
  from records.custody as c
  where c.org_id = v_org
    and c.crate_id = give_custody.crate_id
    and upper_inf(c.during);
  v_at := greatest(v_at, v_since + interval '1 microsecond');

  update records.custody as c
  set during = tstzrange(lower(c.during), v_at)
  where c.org_id = v_org
    and c.crate_id = give_custody.crate_id
    and upper_inf(c.during);

  if location_id is not null or holder_id is not null then
    insert into records.custody (org_id, crate_id, location_id, holder_id, during, reason, request_id, note)
    values (
      v_org, give_custody.crate_id, give_custody.location_id, give_custody.holder_id, tstzrange(v_at, null),
      give_custody.reason, give_custody.request_id, nullif(btrim(give_custody.note), '')
    );
  end if;
end
$$;

comment on function records.give_custody(uuid, uuid, uuid, text, uuid, text) is
  'Ends the present custody of a crate and begins the next, at a place or with a person; with neither it only ends (the '
  'crate is destroyed). The caller holds the crate.';

create or replace function records.check_holder(user_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if not exists (
    select
    from core.membership as m
    where m.org_id = core.org_id()
      and m.user_id = check_holder.user_id
      and m.kind = 'INTERNAL'
      and m.is_active
  ) then
    perform core.raise_error('records.holder_unknown', jsonb_build_object('id', user_id));
  end if;
end
$$;

comment on function records.check_holder(uuid) is
  'Raises records.holder_unknown (422) unless the user is an active member of the organisation and of no partner.';
