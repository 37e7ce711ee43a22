-- Permissions. The same for all organisations, hence no row level security.

grant select on core.permission to member, partner, superadmin;
grant select on api.permissions to member, partner, superadmin;
grant select (code, is_duty) on core.permission to worker;
grant select, insert, update, delete on core.permission to migrator;

-- no write for anybody else: the rows come from sql/reference
