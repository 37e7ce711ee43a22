-- Reset tokens, hashed: read and written by functions that run as the owner.

grant select (expires_at), delete on core.password_reset to worker; -- core.purge_sign_in
grant select, insert, update, delete on core.password_reset to migrator;

-- nothing else for anybody else, and no row level security: of no organisation, and nobody is shown a row
