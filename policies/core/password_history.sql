-- Former passwords, hashed: read and written by functions that run as the owner.

grant select, insert, update, delete on core.password_history to migrator;

-- nothing for anybody else, and no row level security: of no organisation, and nobody is shown a row
