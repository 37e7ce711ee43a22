-- domain: ops
-- why: what the gateway's cache answers is a figure of operation, and the gateway forgets its own when it starts anew
-- locks: none (new objects)
-- breaking: no

create table ops.cache_use (
  view_name text constraint cache_use_pkey primary key,
  hits bigint not null default 0,
  misses bigint not null default 0,
  not_modified bigint not null default 0,
  bypassed bigint not null default 0,
  counted_since timestamptz not null default clock_timestamp(),
  counted_until timestamptz not null default clock_timestamp(),
  constraint counts_not_negative check (least(hits, misses, not_modified, bypassed) >= 0)
);

comment on table ops.cache_use is
  'How often the gateway answered reads of a view from its cache; the relay adds what it was told (ops.note_cache_use)';
comment on column ops.cache_use.view_name is 'Name in api';
comment on column ops.cache_use.hits is 'Answered from the cache';
comment on column ops.cache_use.misses is 'Answered by the database, because the cache had no answer of the present version';
comment on column ops.cache_use.not_modified is 'Answers 304 among hits and misses';
comment on column ops.cache_use.bypassed is 'Not looked up: the request wants a fresh answer, or the versions are not known';
comment on column ops.cache_use.counted_until is 'When something was added last';
