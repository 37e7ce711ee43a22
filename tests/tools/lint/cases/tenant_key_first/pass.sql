create table core.careless (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  constraint careless_pkey primary key (org_id, id)
);
