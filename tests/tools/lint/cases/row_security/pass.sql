create table core.careless (org_id uuid not null);
alter table core.careless enable row level security;
alter table core.careless force row level security;
