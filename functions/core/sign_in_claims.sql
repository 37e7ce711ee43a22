-- In which organisation a user works after signing in, and with which claims.

create or replace function core.sign_in_claims(user_id uuid, kind text, organization text default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_claims jsonb := jsonb_build_object(
    'role', case sign_in_claims.kind when 'SUPER_ADMIN' then 'superadmin' when 'INTERNAL' then 'member' else 'partner' end,
    'sub', sign_in_claims.user_id
  );
  v_org_id uuid;
  v_partner_id uuid;
begin
  -- From here on policies show what concerns this user.
  perform core.act_as(v_claims);
  if sign_in_claims.kind = 'SUPER_ADMIN' then
    if sign_in_claims.organization is null then
      return v_claims;
    end if;
    select o.id
    into v_org_id
    from core.organization as o
    where o.is_active and sign_in_claims.organization in (o.code, o.id::text);
  else
    select m.org_id, m.partner_id
    into v_org_id, v_partner_id
    from core.membership as m
    join core.organization as o on o.id = m.org_id
    where m.user_id = sign_in_claims.user_id
      and m.is_active
      and o.is_active
      and (sign_in_claims.organization is null or sign_in_claims.organization in (o.code, o.id::text))
    order by
      (
        select s.created_at
        from core.session as s
        where s.user_id = m.user_id and s.org_id = m.org_id
        order by s.id desc
        limit 1
      ) desc nulls last,
      o.code
    limit 1;
  end if;
  if v_org_id is null then
    return null;
  end if;
  v_claims := v_claims || jsonb_strip_nulls(jsonb_build_object('org_id', v_org_id, 'partner_id', v_partner_id));
  perform core.act_as(v_claims);
  if v_partner_id is not null and not exists (
    select from core.partner as p where p.org_id = v_org_id and p.id = v_partner_id and p.status <> 'INACTIVE'
  ) then
    return null;
  end if;
  return v_claims;
end
$$;

comment on function core.sign_in_claims(uuid, text, text) is
  'The claims of a user in an organisation (code or id), else in the one he signed in to last, else in the first by code; '
  'null when he may enter none. They hold from then on in the transaction.';
