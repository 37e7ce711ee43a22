create table core.careless (id uuid default uuidv7());
