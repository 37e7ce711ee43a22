-- Which tables are searched. The same for all organisations, hence no row level security.

grant select, insert, update, delete on core.search_source to migrator;

-- no right for anybody else: the rows come from sql/reference, functions of the owner read them
