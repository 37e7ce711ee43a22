-- title: an open session admits its user exactly when he, his membership, organisation, partner and API key are active
select
  s.org_id,
  s.id,
  s.user_id,
  s.role,
  s.is_admitted
from core.session as s
where s.revoked_at is null
  and s.expires_at > now()
  and s.is_admitted <> core.is_admitted(s);
