-- Tables that devices may hold. The same for all organisations, hence no row level security.

grant select on core.sync_table to member, partner, superadmin;
grant select on api.sync_tables to member, partner, superadmin;
grant select, insert, update, delete on core.sync_table to migrator;

-- no write for anybody else: the rows come from sql/reference
