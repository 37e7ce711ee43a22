-- What can be searched for. The same for all organisations, hence no row level security.

grant select on core.search_entity to member, partner, superadmin;
grant select on api.search_kinds to member, partner, superadmin;
grant select, insert, update, delete on core.search_entity to migrator;

-- no write for anybody else: the rows come from sql/reference
