-- Units of measure. The same for all organisations, hence no row level security.

grant select on core.unit to member, partner, superadmin, analyst;
grant select on api.units to member, partner, superadmin;
grant select, insert, update, delete on core.unit to migrator;

-- no write for anybody else: the rows come from sql/reference
