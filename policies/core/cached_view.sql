-- The cache class of each view. The same for all organisations, hence no row level security.

grant select on core.cached_view to monitor;
grant select, insert, update, delete on core.cached_view to migrator;

-- no write for anybody else: the rows come from sql/reference
