-- domain: events
-- why: consumers of the feed keep their cursor here; seals show that nothing recorded was changed; archives keep old months
-- locks: none (new objects)
-- breaking: no

create table events.consumer (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  name text not null,
  cursor_xid xid8 not null,
  cursor_id uuid not null,
  acknowledged_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint consumer_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint consumer_name_unique unique (org_id, name),
  constraint name_is_plain check (name ~ '^[a-z][a-z0-9_.-]{0,62}$')
);

comment on table events.consumer is 'Programs that read the feed of an organisation, and how far each has come';
comment on column events.consumer.cursor_xid is 'Position of the last event it has dealt with';
comment on column events.consumer.cursor_id is 'The last event it has dealt with; zeros: all before cursor_xid';

create table events.seal (
  org_id uuid not null,
  number integer not null,
  from_xid xid8 not null,
  until_xid xid8 not null,
  event_count integer not null,
  ids uuid[] not null,
  leaves bytea not null,
  previous_hash bytea not null,
  hash bytea not null,
  sealed_at timestamptz not null default now(),
  constraint seal_pkey primary key (org_id, number),
  constraint number_positive check (number > 0),
  constraint sealed_range_not_empty check (from_xid < until_xid),
  constraint one_leaf_per_event check (event_count = cardinality(ids) and octet_length(leaves) = 32 * event_count)
);

comment on table events.seal is
  'A chain of seals per organisation. Each holds the SHA-256 of every event from from_xid until before until_xid, and the '
  'hash of the seal before it: whoever changes, removes or adds an event has to change every seal since, and the '
  'head of the chain is known elsewhere (erpgres audit seal --anchor).';
comment on column events.seal.ids is 'The events in feed order';
comment on column events.seal.leaves is 'SHA-256 of each of them, 32 bytes after 32 bytes';
comment on column events.seal.previous_hash is 'hash of the seal before; of the first 32 zeros';
comment on column events.seal.hash is 'SHA-256 of organisation, number, range, ids, leaves and previous_hash';

create table events.seal_run (
  until_xid xid8 constraint seal_run_pkey primary key,
  seal_count integer not null,
  event_count bigint not null,
  sealed_at timestamptz not null default now(),
  constraint seal_count_positive check (seal_count > 0)
);

comment on table events.seal_run is 'Up to where all events of all organisations are sealed';

create table events.archive (
  partition text constraint archive_pkey primary key,
  from_id uuid not null,
  until_id uuid not null,
  event_count bigint not null,
  file_name text not null,
  file_sha256 bytea not null,
  leaves_sha256 bytea not null,
  archived_at timestamptz not null default now(),
  constraint hashes_are_sha256 check (octet_length(file_sha256) = 32 and octet_length(leaves_sha256) = 32)
);

comment on table events.archive is 'Months whose events lie in a file and no longer in the database';
comment on column events.archive.file_sha256 is 'SHA-256 of the compressed file';
comment on column events.archive.leaves_sha256 is
  'SHA-256 of id and SHA-256 of each event, by organisation and feed order: what the seals say about them';

alter table events.consumer enable row level security;
alter table events.consumer force row level security;
alter table events.seal enable row level security;
alter table events.seal force row level security;
