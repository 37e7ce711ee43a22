-- What answers depend on. The same for all organisations, hence no row level security.

grant select on core.api_source to relay, monitor;
grant select, insert, update, delete on core.api_source to migrator;

-- no write for anybody else: core.ensure_sources makes the rows
