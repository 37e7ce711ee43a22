-- Allowed status changes. The same for all organisations, hence no row level security.

grant select on core.transition to member, partner, superadmin, analyst;
grant select on api.transitions to member, partner, superadmin;
grant select, insert, update, delete on core.transition to migrator;

-- no write for anybody else: the rows come from sql/reference
