-- What functions read. The same for all organisations, hence no row level security.

grant select on core.data_function to relay, monitor;
grant select, insert, update, delete on core.data_function to migrator;

-- no write for anybody else: the rows come from sql/reference
