-- Columns that devices may hold. The same for all organisations, hence no row level security.

grant select on core.sync_column to member, partner, superadmin;
grant select on api.sync_columns to member, partner, superadmin, migrator;
grant select, insert, update, delete on core.sync_column to migrator;

-- no write for anybody else: the rows come from sql/reference
