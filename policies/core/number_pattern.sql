-- Document types that are numbered. The same for all organisations, hence no row level security.

grant select on core.number_pattern to member, superadmin;
grant select, insert, update, delete on core.number_pattern to migrator;

-- no write for anybody else: the rows come from sql/reference
