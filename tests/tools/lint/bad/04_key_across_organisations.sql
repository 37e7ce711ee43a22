-- domain: core
-- why: a thing that is lent to people
-- locks: none (new objects)
-- breaking: no
-- expect: composite_foreign_key, tenant_index_first

create table core.gadget (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  partner_id uuid,
  constraint gadget_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint gadget_id_unique unique (org_id, id, partner_id)
);

comment on table core.gadget is 'A thing that is lent';

alter table core.gadget enable row level security;
alter table core.gadget force row level security;
create table core.gadget_part (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  session_id uuid not null,
  constraint gadget_part_pkey primary key (org_id, id),
  constraint session_exists foreign key (session_id) references core.session (id)
);

comment on table core.gadget_part is 'A part of it';
create index gadget_part_session_idx on core.gadget_part (org_id, session_id);
create index gadget_part_session_key_idx on core.gadget_part (session_id);
alter table core.gadget_part enable row level security;
alter table core.gadget_part force row level security;
