-- Settings of the installation. The same for all organisations, hence no row level security.

grant select on core.installation_setting to member, superadmin;
grant select, insert, update, delete on core.installation_setting to migrator;

-- no write for anybody else: the tools set them
