-- Settings there are; shown by api.settings. The same for all organisations, hence no row level security.

grant select on core.setting_definition to member, superadmin;
grant select, insert, update, delete on core.setting_definition to migrator;

-- no write for anybody else: the rows come from sql/reference
