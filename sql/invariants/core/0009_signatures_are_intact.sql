-- title: every signature has the hashes of what it says and of what was signed
-- why: a signature that was altered proves nothing; erpgres records verify computes the same outside the database
select
  s.org_id,
  s.id,
  s.entity,
  s.signer_name,
  s.signed_at
from core.signature as s
where (s.payload_sha256, s.sha256) is distinct from ((core.signed(s)).payload_sha256, (core.signed(s)).sha256);
