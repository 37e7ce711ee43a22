-- What events are about. The same for all organisations, hence no row level security.

grant select on core.event_entity to member, partner, superadmin, analyst, worker, monitor;
grant select, insert, update, delete on core.event_entity to migrator;

-- no write for anybody else: the rows come from sql/reference
