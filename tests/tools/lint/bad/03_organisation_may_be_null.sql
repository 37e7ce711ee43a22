-- domain: core
-- why: a thing that is lent to people
-- locks: none (new objects)
-- breaking: no
-- expect: tenant_column_required, tenant_key_first

create table core.gadget (
  org_id uuid,
  id uuid not null default uuidv7(),
  name text not null,
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint gadget_id_unique unique nulls not distinct (org_id, id)
);

comment on table core.gadget is 'A thing that is lent';

alter table core.gadget enable row level security;
alter table core.gadget force row level security;
