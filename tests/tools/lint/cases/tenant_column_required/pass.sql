create table core.careless (org_id uuid not null);
