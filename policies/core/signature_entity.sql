-- What can be signed. The same for all organisations, hence no row level security.

grant select on core.signature_entity to member, partner, superadmin;
grant select, insert, update, delete on core.signature_entity to migrator;

-- no write for anybody else: the rows come from sql/reference
