-- Figures of the cache. Of no organisation, hence no row level security.

grant select, insert, update, delete on ops.cache_use to migrator;

-- nothing for anybody else: the relay adds by ops.note_cache_use(), who reads calls ops.cache_stats() or api.cache_stats()
