-- The error catalogue. The same for all organisations, hence no row level security.

grant select on core.error to anon, member, partner, superadmin, worker;
grant select on api.errors to member, partner, superadmin;
grant select, insert, update, delete on core.error to migrator;

-- no write for anybody else: the rows come from sql/reference
