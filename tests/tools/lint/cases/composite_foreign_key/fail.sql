create table core.parent (
  org_id uuid not null,
  id uuid not null,
  constraint parent_id_unique unique (id),
  constraint parent_pkey primary key (org_id, id)
);
create table core.child (
  org_id uuid not null,
  parent_id uuid,
  constraint parent_exists foreign key (parent_id) references core.parent (id)
);
