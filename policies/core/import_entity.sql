-- What can be imported. The same for all organisations, hence no row level security.

grant select on core.import_entity to member, superadmin;
grant select on api.import_entities to member, superadmin;
grant select, insert, update, delete on core.import_entity to migrator;

-- no write for anybody else: the rows come from sql/reference
