create table core.careless (id uuid, version integer, updated_at timestamptz);
