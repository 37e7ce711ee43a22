-- What a signature may mean. The same for all organisations, hence no row level security.

grant select on core.signature_meaning to member, partner, superadmin;
grant select on api.signature_meanings to member, partner, superadmin;
grant select, insert, update, delete on core.signature_meaning to migrator;

-- no write for anybody else: the rows come from sql/reference
