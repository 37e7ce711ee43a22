-- Permissions of role templates. The same for all organisations, hence no row level security.

grant select on core.role_template_permission to member, superadmin;
grant select on api.role_template_permissions to member, superadmin;
grant select, insert, update, delete on core.role_template_permission to migrator;

-- nothing for partner: EXTERNAL users do not manage roles
-- no write for anybody else: the rows come from sql/reference
