-- Currencies. The same for all organisations, hence no row level security.

grant select on core.currency to member, partner, superadmin, analyst;
grant select on api.currencies to member, partner, superadmin;
grant select, insert, update, delete on core.currency to migrator;

-- no write for anybody else: the rows come from sql/reference
