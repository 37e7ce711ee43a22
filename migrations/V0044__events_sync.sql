-- domain: events
-- why: devices work without a network: what each of them holds, what it sent, what was refused
-- locks: none (new objects)
-- breaking: no

-- In core, so that each domain has a file of its own in sql/reference.
create table core.sync_table (
  name text constraint sync_table_pkey primary key,
  sort_order integer not null,
  view_name text not null,
  key_column text not null default 'id',
  row_entity text,
  parent_column text,
  parent_table text,
  parent_entities text[] not null default '{}',
  filter text,
  is_always_compared boolean not null default false,
  since_version integer not null default 1,
  push_kind text not null default 'NONE',
  push_function text,
  description text not null,
  constraint sort_order_unique unique (sort_order),
  constraint parent_table_exists foreign key (parent_table) references core.sync_table (name),
  constraint name_is_snake_case check (name ~ '^[a-z][a-z0-9_]*$'),
  constraint since_version_positive check (since_version > 0),
  constraint push_kind_known check (push_kind in ('NONE', 'DRAFT', 'LINE', 'COMMAND', 'DISMISS')),
  constraint push_function_of_drafts check ((push_kind = 'DRAFT') = (push_function is not null)),
  constraint line_has_parent check (push_kind <> 'LINE' or (parent_table is not null and parent_column is not null)),
  constraint parent_entities_need_parent_column check (cardinality(parent_entities) = 0 or parent_column is not null),
  constraint change_is_noticed check (is_always_compared or row_entity is not null or cardinality(parent_entities) > 0)
);

comment on table core.sync_table is 'Tables that devices may hold: which rows of which view, and how a change is noticed';
comment on column core.sync_table.sort_order is 'Order in which tables are sent and drafts are applied';
comment on column core.sync_table.view_name is 'View of the schema api';
comment on column core.sync_table.key_column is 'Column that tells rows apart; what is no uuid becomes one by md5';
comment on column core.sync_table.row_entity is 'Entity of events whose entity_id is the key of a row';
comment on column core.sync_table.parent_column is 'Column that names the row that this one belongs to';
comment on column core.sync_table.parent_table is
  'Table of that row, if devices hold it: when it comes or goes, so may this one';
comment on column core.sync_table.parent_entities is 'Entities of events whose entity_id is the value of parent_column';
comment on column core.sync_table.filter is
  'Condition on the view, called v: which rows a device holds; null: all that its user sees';
comment on column core.sync_table.is_always_compared is 'Small, and without events: every pull compares all of it';
comment on column core.sync_table.since_version is 'Version of the schema of devices in which it appeared';
comment on column core.sync_table.push_kind is
  'NONE: only read; DRAFT: rows are written by push_function; LINE: with their draft; COMMAND: rows are calls of functions; '
  'DISMISS: a device may only remove rows';
comment on column core.sync_table.push_function is
  'Function (id uuid, content jsonb, is_deleted boolean, lines jsonb) that writes a draft and its lines';

create index sync_table_parent_table_idx on core.sync_table (parent_table);

create table core.sync_column (
  table_name text not null,
  name text not null,
  since_version integer not null default 1,
  is_written boolean not null default false,
  constraint sync_column_pkey primary key (table_name, name),
  constraint table_exists foreign key (table_name) references core.sync_table (name),
  constraint name_is_free check (name ~ '^[a-z][a-z0-9_]*$' and name not in ('id', 'last_modified')),
  constraint since_version_positive check (since_version > 0)
);

comment on table core.sync_column is 'Columns that devices hold beside the id';
comment on column core.sync_column.since_version is 'Version of the schema of devices in which it appeared';
comment on column core.sync_column.is_written is 'Whether what a device writes into it counts; in other columns it is put back';

create table core.sync_function (
  name text constraint sync_function_pkey primary key,
  description text not null,
  constraint name_is_snake_case check (name ~ '^[a-z][a-z0-9_]*$')
);

comment on table core.sync_function is
  'Functions of the API that a device may call by a command. None takes a secret: commands are kept';

create table events.sync_device (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  user_id uuid not null default core.user_id(),
  device uuid not null,
  name text,
  point bigint not null default 0,
  confirmed_point bigint,
  seen_xid xid8,
  rights text,
  schema_version integer not null default 1,
  pulled_at timestamptz,
  pushed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint sync_device_pkey primary key (org_id, id),
  constraint device_once_a_user unique (org_id, user_id, device),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id),
  constraint point_not_below_confirmed check (confirmed_point <= point),
  constraint name_short check (length(name) <= 100)
);

comment on table events.sync_device is 'A database on a device of a user';
comment on column events.sync_device.device is 'Made by the device with its database';
comment on column events.sync_device.point is 'Number of the last answer that changed what the device holds: its cursor';
comment on column events.sync_device.confirmed_point is 'The last cursor that the device came back with; null: none that counts';
comment on column events.sync_device.seen_xid is
  'Every transaction before it had ended in the snapshot of the last pull; null: the next pull compares everything';
comment on column events.sync_device.rights is 'Hash of what else decides which rows there are; another one: compare everything';

alter table events.sync_device enable row level security;
alter table events.sync_device force row level security;

create table events.sync_held (
  org_id uuid not null default core.org_id(),
  device_id uuid not null,
  table_name text not null,
  row_id uuid not null,
  parent_id uuid,
  hash bigint,
  pushed_hash bigint,
  first_point bigint not null,
  last_point bigint not null,
  gone_point bigint,
  constraint sync_held_pkey primary key (org_id, device_id, table_name, row_id),
  constraint device_exists foreign key (org_id, device_id) references events.sync_device (org_id, id) on delete cascade
);

create index sync_held_gone_idx on events.sync_held (org_id, device_id) where gone_point is not null;
create index sync_held_unknown_idx on events.sync_held (org_id, device_id, table_name) where hash is null;

comment on table events.sync_held is 'Which rows a device holds, and in which state it was sent them';
comment on column events.sync_held.hash is 'Of what was sent; null: not known, to be sent again';
comment on column events.sync_held.pushed_hash is 'Of the row as the last push of this device left it';
comment on column events.sync_held.first_point is 'Answer that brought it';
comment on column events.sync_held.last_point is 'Answer that brought its present state';
comment on column events.sync_held.gone_point is
  'Answer that told the device to remove it; the row here goes when that is confirmed';

alter table events.sync_held enable row level security;
alter table events.sync_held force row level security;

create table events.sync_command (
  org_id uuid not null default core.org_id(),
  id uuid not null,
  device_id uuid,
  user_id uuid not null default core.user_id(),
  function text not null,
  arguments text not null,
  sequence bigint,
  outcome text not null,
  code text,
  message text,
  hint text,
  details text,
  result jsonb,
  is_dismissed boolean not null default false,
  executed_at timestamptz not null default now(),
  constraint sync_command_pkey primary key (org_id, id),
  constraint device_exists foreign key (org_id, device_id) references events.sync_device (org_id, id)
  on delete set null (device_id),
  constraint outcome_known check (outcome in ('DONE', 'REFUSED')),
  constraint refused_with_a_code check ((outcome = 'REFUSED') = (code is not null))
);

comment on table events.sync_command is
  'Commands that devices sent, each with its outcome: one id is executed once, however often it comes. Kept for 400 days';
comment on column events.sync_command.id is 'Made by the device';
comment on column events.sync_command.is_dismissed is 'The device removed it from its list; it is still known here';
comment on column events.sync_command.executed_at is 'By the clock of the server';

create index sync_command_device_id_idx on events.sync_command (org_id, device_id, id);
create index sync_command_user_id_idx on events.sync_command (org_id, user_id, id);

alter table events.sync_command enable row level security;
alter table events.sync_command force row level security;

create table events.sync_refusal (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  device_id uuid not null,
  table_name text not null,
  row_id uuid not null,
  code text not null,
  message text,
  hint text,
  details text,
  refused_at timestamptz not null default now(),
  constraint sync_refusal_pkey primary key (org_id, id),
  constraint row_refused_once unique (org_id, device_id, table_name, row_id),
  constraint device_exists foreign key (org_id, device_id) references events.sync_device (org_id, id) on delete cascade
);

comment on table events.sync_refusal is 'Drafts of a device that were refused, and why; goes when the draft is taken or given up';

alter table events.sync_refusal enable row level security;
alter table events.sync_refusal force row level security;
