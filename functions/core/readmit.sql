-- Whether a session may still come in: asked when it is opened and when what decides it changes, not at each request.

create or replace function core.is_admitted(session core.session)
returns boolean
language sql
stable
parallel safe
begin atomic
  select
    exists (
      select
      from core.app_user as u
      where u.id = session.user_id
        and u.is_active
        and u.kind = case session.role when 'superadmin' then 'SUPER_ADMIN' when 'member' then 'INTERNAL' else 'EXTERNAL' end
    )
    and (
      session.role = 'superadmin'
      or exists (
        select
        from core.membership as m
        join core.organization as o on o.id = m.org_id
        where m.org_id = session.org_id
          and m.user_id = session.user_id
          and m.is_active
          and o.is_active
          and m.partner_id is not distinct from session.partner_id
          and (
            m.partner_id is null
            or exists (
              select from core.partner as p where p.org_id = m.org_id and p.id = m.partner_id and p.status <> 'INACTIVE'
            )
          )
      )
    )
    and (
      session.api_key_id is null
      or exists (
        select
        from core.api_key as k
        where k.org_id = session.org_id
          and k.id = session.api_key_id
          and k.revoked_at is null
          and k.expires_at >= session.expires_at
      )
    );
end;

comment on function core.is_admitted(core.session) is
  'Whether the user of a session is active and of the kind that its role is for, and so are his membership, organisation, '
  'partner and API key. What the caller''s policies hide counts as missing.';

grant execute on function core.is_admitted(core.session) to migrator;

create or replace function core.admission_lock(id uuid)
returns bigint
language sql
immutable
parallel safe
return hashtextextended('core.session ' || admission_lock.id, 0);

comment on function core.admission_lock(uuid) is
  'Key of the advisory lock under which sessions of a user, organisation, partner or API key are opened (shared) and '
  'admitted anew (exclusive)';

grant execute on function core.admission_lock(uuid) to migrator;

create or replace function core.readmit(cause uuid, user_id uuid, org_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform pg_advisory_xact_lock(core.admission_lock(cause));
  update core.session as s
  set is_admitted = not s.is_admitted
  where (readmit.user_id is null or s.user_id = readmit.user_id)
    and (readmit.org_id is null or s.org_id = readmit.org_id)
    and s.revoked_at is null
    and s.expires_at > now()
    and s.is_admitted <> core.is_admitted(s);
end
$$;

comment on function core.readmit(uuid, uuid, uuid) is
  'Decide anew about the open sessions of a user, of an organisation, or of a user in an organisation, after cause (the id '
  'of what changed) did. The caller''s policies decide which it reaches: those who change these tables see them all.';

grant execute on function core.readmit(uuid, uuid, uuid) to migrator;
