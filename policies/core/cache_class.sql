-- Cache classes. The same for all organisations, hence no row level security.

grant select on core.cache_class to monitor;
grant select, insert, update, delete on core.cache_class to migrator;

-- no write for anybody else: the rows come from sql/reference
