-- Who is told of what. The same for all organisations, hence no row level security.

grant select on core.notification_rule to member, partner, superadmin, worker;
grant select on api.notification_rules to member, partner, superadmin;
grant select, insert, update, delete on core.notification_rule to migrator;

-- no write for anybody else: the rows come from sql/reference
