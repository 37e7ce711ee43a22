create table core.careless (id uuid);
comment on table core.careless is 'A table with a comment';
