-- How far the worker has read. Of no organisation, hence no row level security.

grant select, update (xid, id, moved_at) on events.feed_cursor to worker;
grant select on events.feed_cursor to monitor;
grant select, insert, update, delete on events.feed_cursor to migrator;

-- nothing for anybody else
