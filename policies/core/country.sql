-- Countries. The same for all organisations, hence no row level security.

grant select on core.country to member, partner, superadmin, analyst;
grant select on api.countries to member, partner, superadmin;
grant select, insert, update, delete on core.country to migrator;

-- no write for anybody else: the rows come from sql/reference
