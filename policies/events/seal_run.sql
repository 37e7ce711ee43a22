-- Up to where all events are sealed. Of no organisation, hence no row level security.

grant select, insert on events.seal_run to worker, migrator;

-- nothing for anybody else: a seal is for those who look after the database
-- no update, delete: a trigger refuses it to everybody
