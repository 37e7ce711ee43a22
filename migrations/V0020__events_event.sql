-- domain: events
-- why: one append-only table of what happened: audit trail, feed and outbox in one
-- locks: none (new objects)
-- breaking: no

-- In core, so that each domain has a file of its own for its entities in sql/reference/event_entity.
create table core.event_entity (
  entity text constraint event_entity_pkey primary key,
  table_name text,
  org_column text not null default 'org_id',
  id_column text not null default 'id',
  unit_column text,
  partner_column text,
  sensitive_columns text[] not null default '{}',
  ignored_columns text[] not null default '{}',
  read_permission text,
  description text not null,
  constraint recorded_once unique (table_name),
  constraint permission_exists foreign key (read_permission) references core.permission (code),
  constraint entity_is_snake_case check (entity ~ '^[a-z][a-z0-9_]*$'),
  constraint table_name_is_qualified check (table_name ~ '^[a-z_]+\.[a-z_0-9]+$')
);

comment on table core.event_entity is
  'What events are about, and how the changes of a table become events. The triggers are made from these rows by '
  'events.ensure_triggers().';
comment on column core.event_entity.entity is 'The noun of the API: of core bare (partner), else with its domain (wms_lot)';
comment on column core.event_entity.table_name is
  'Table whose changes are recorded; null: events come from events.emit alone';
comment on column core.event_entity.org_column is 'Column that holds the organisation';
comment on column core.event_entity.id_column is 'Column whose value becomes entity_id; the rest of the key is always recorded';
comment on column core.event_entity.unit_column is 'Column that names the unit, for rights that are held in a unit';
comment on column core.event_entity.partner_column is
  'Column that names the partner whose EXTERNAL users see the events, if they may select the whole table';
comment on column core.event_entity.sensitive_columns is 'Columns whose values are never recorded: what lets somebody in';
comment on column core.event_entity.ignored_columns is 'Columns that change by themselves: a change of these alone is no event';
comment on column core.event_entity.read_permission is
  'Who sees the events: holders of this permission; null: whoever may select the table';

create index event_entity_read_permission_idx on core.event_entity (read_permission);

-- Neither foreign keys nor checks: each would run for every row of every bulk change, and the triggers that write here
-- copy what the tables themselves have checked.
create table events.event (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  xid xid8 not null default greatest(
    pg_current_xact_id(), ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text)::xid8
  ),
  type text not null,
  entity text not null,
  entity_id uuid,
  entity_version integer,
  actor_id uuid,
  session_id uuid,
  unit_id uuid,
  partner_id uuid,
  request_id text,
  before jsonb,
  after jsonb,
  payload jsonb,
  occurred_at timestamptz generated always as (uuid_extract_timestamp(id)) virtual,
  constraint event_pkey primary key (org_id, id)
) partition by range (id);

comment on table events.event is
  'What happened, only ever added to: the change of a row, or what events.emit was told. Audit trail, feed for other '
  'systems and source of realtime messages.';
comment on column events.event.id is 'In the order of time';
comment on column events.event.xid is
  'Position in the feed, together with id: the transaction, or the newest one that had ended when it wrote this and had '
  'begun later. So the change of a row comes after the one it was made upon (see docs/adr/0006).';
comment on column events.event.type is
  'entity.created, updated, deleted, the new status in lower case, or what events.emit was told';
comment on column events.event.entity is 'What it is about, see core.event_entity';
comment on column events.event.entity_id is 'The row; null: of no single row';
comment on column events.event.entity_version is 'Version of the row after the change, if it has one';
comment on column events.event.actor_id is 'User who did it; null: the tools or a background job';
comment on column events.event.session_id is 'Session of the user';
comment on column events.event.unit_id is 'Unit of the row, if it has one';
comment on column events.event.partner_id is 'Partner of the row whose EXTERNAL users may see it';
comment on column events.event.request_id is 'X-Request-ID of the request';
comment on column events.event.before is 'Old values: of an update those that differ, of a deletion all';
comment on column events.event.after is 'New values: of an update those that differ, of a creation all';
comment on column events.event.payload is 'What events.emit was told';
comment on column events.event.occurred_at is 'The moment that id holds';

-- The feed of all organisations, and that of one.
create index event_feed_idx on events.event (xid, id);
create index event_org_feed_idx on events.event (org_id, xid, id);
-- The history of a row, and lists by what users filter by. Of one entity alone: the newest are found backwards along the
-- primary key if it is common, by this index if it is rare.
create index event_entity_idx on events.event (org_id, entity, entity_id, id);
create index event_type_idx on events.event (org_id, type, id);
create index event_actor_idx on events.event (org_id, actor_id, id);

alter table events.event enable row level security;
alter table events.event force row level security;

insert into ops.partition_policy (table_name, period, periods_ahead)
values ('events.event', 'month', 3);
