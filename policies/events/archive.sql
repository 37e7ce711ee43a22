-- Months that lie in files. Of no organisation, hence no row level security.

grant select on events.archive to migrator;

-- no write for anybody: the tools archive as the owner
