-- domain: core
-- why: a thing that is lent to people
-- locks: none (new objects)
-- breaking: no

create table core.gadget_movement (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  name text not null,
  constraint gadget_movement_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id)
) partition by range (id);

comment on table core.gadget_movement is 'A thing that is lent';

alter table core.gadget_movement enable row level security;
alter table core.gadget_movement force row level security;
insert into ops.partition_policy (table_name, period, periods_ahead)
values ('core.gadget_movement', 'quarter', 2);

select ops.ensure_partitions();
