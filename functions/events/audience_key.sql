-- Which subscribers are alike, so that one query serves them all.

create or replace function events.audience_key()
returns text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select encode(
    sha256(
      convert_to(
        case current_setting('role')
          when 'superadmin' then jsonb_build_array('superadmin')
          when 'member' then
            jsonb_build_array('member', core.org_id(), events.readable_entities(), events.readable_in_units())
          when 'partner' then
            jsonb_build_array('partner', core.org_id(), core.partner_id(), events.readable_entities())
        end::text,
        'UTF8'
      )
    ),
    'hex'
  );
$$;

comment on function events.audience_key() is
  'A hash of everything that decides which events the caller sees: two subscribers with the same key see the same. Changes '
  'when a right is given or taken. Null for roles that subscribe to nothing.';

grant execute on function events.audience_key() to partner, member, superadmin;
