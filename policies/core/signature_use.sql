-- What signatures were used for: seen by who sees the signature; a function writes it.

grant select on core.signature_use to member, partner, superadmin;
grant select, insert on core.signature_use to migrator;

create policy owner_select on core.signature_use for select to owner
using (org_id = (select core.org_id()));

create policy owner_insert on core.signature_use for insert to owner
with check (org_id = (select core.org_id()));

create policy migrator_select on core.signature_use for select to migrator
using (true);

create policy migrator_insert on core.signature_use for insert to migrator
with check (true);

create policy member_select on core.signature_use for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from core.signature as s
    where s.org_id = signature_use.org_id
      and s.id = signature_use.signature_id
  )
);

create policy partner_select on core.signature_use for select to partner
using (
  org_id = (select core.org_id())
  and exists (
    select
    from core.signature as s
    where s.org_id = signature_use.org_id
      and s.id = signature_use.signature_id
  )
);

create policy superadmin_select on core.signature_use for select to superadmin
using (true);

-- no insert: core.require_signature

-- no update, no delete: append-only, a trigger says so to everybody

-- nothing for analyst: as for the signatures
