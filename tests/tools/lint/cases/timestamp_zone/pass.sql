create table core.careless (made_at timestamptz);
