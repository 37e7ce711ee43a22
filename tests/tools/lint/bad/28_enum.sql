-- domain: core
-- why: a thing that is lent to people
-- locks: none (new objects)
-- breaking: no
-- expect: no_enum

create type core.gadget_state as enum ('IN', 'OUT');
create table core.gadget (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  state core.gadget_state,
  constraint gadget_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id)
);

comment on table core.gadget is 'A thing that is lent';

alter table core.gadget enable row level security;
alter table core.gadget force row level security;
