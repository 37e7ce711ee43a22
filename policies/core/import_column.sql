-- The columns of what can be imported. The same for all organisations, hence no row level security.

grant select on core.import_column to member, superadmin;
grant select on api.import_columns to member, superadmin;
grant select, insert, update, delete on core.import_column to migrator;

-- no write for anybody else: the rows come from sql/reference
