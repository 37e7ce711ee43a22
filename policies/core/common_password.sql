-- Passwords that are refused. The same for all organisations, hence no row level security.

grant select, insert, update, delete on core.common_password to migrator;

-- no write for anybody else: the rows come from sql/reference
