-- Counters of failed attempts: read and written by functions that run as the owner.

grant select (updated_at), delete on core.sign_in_failure to worker; -- core.purge_sign_in
grant select, insert, update, delete on core.sign_in_failure to migrator;

-- nothing else for anybody else, and no row level security: of no organisation, and nobody is shown a row
