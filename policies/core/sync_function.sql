-- Functions that devices may call by a command. The same for all organisations, hence no row level security.

grant select on core.sync_function to member, partner, superadmin;
grant select on api.sync_functions to member, partner, superadmin;
grant select, insert, update, delete on core.sync_function to migrator;

-- no write for anybody else: the rows come from sql/reference
