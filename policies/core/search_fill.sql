-- How far the worker has brought rows into the search. Of all organisations, hence no row level security.

grant select, insert, update, delete on core.search_fill to worker;
grant select, insert, update, delete on core.search_fill to migrator;

-- no right for anybody else: core.ensure_search and the triggers of an import make the rows
