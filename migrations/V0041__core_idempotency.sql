-- domain: core
-- why: a request that is sent again because its answer was lost must not take effect twice
-- locks: ops.partition_policy, access exclusive for an instant (a column without a default, a wider rule)
-- breaking: no

-- What goes after a day is dropped by the day: nothing is deleted row by row.
alter table ops.partition_policy add column periods_kept smallint;
-- lint: allow squawk.constraint-missing-not-valid: the table has a dozen rows
alter table ops.partition_policy add constraint periods_kept_positive check (periods_kept >= 1);
-- lint: allow squawk.ban-drop-constraint: the next statement adds it again, wider
alter table ops.partition_policy drop constraint period_known;
-- lint: allow squawk.constraint-missing-not-valid: the table has a dozen rows
alter table ops.partition_policy add constraint period_known check (period in ('quarter', 'month', 'day'));

comment on column ops.partition_policy.periods_kept is
  'How many whole periods a partition stays after its own is over, before ops.drop_partitions drops it; null: for ever';

-- Neither foreign keys nor a version: a row is written with the request it belongs to, read when that comes again, and
-- gone after a day. Nor is the key unique: it may come again after its day, in another partition or in this one. A lock on
-- it keeps two requests apart (core.begin_idempotent).
create table core.idempotency (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  user_id uuid not null,
  key text not null,
  digest bytea not null,
  http_status smallint not null,
  headers jsonb not null default '{}',
  body text,
  constraint idempotency_pkey primary key (org_id, id),
  constraint key_is_printable check (key ~ '^[ -~]{1,255}$'),
  constraint digest_is_sha256 check (octet_length(digest) = 32),
  constraint http_status_known check (http_status between 200 and 599)
) partition by range (id);

comment on table core.idempotency is
  'Requests with an Idempotency-Key and their answers, for a day. Written in the transaction of the request, so that there is '
  'a row if and only if the request took effect.';
comment on column core.idempotency.org_id is 'Organisation of the request; all zeros: a SUPER_ADMIN in none';
comment on column core.idempotency.user_id is 'Who sent it: the same key of somebody else is another';
comment on column core.idempotency.key is 'Idempotency-Key, without the quotes that may be around it';
comment on column core.idempotency.digest is
  'HMAC SHA-256 of method, path, query, body and what else decides the answer, with a key that only the gateway knows: a '
  'password in a body cannot be guessed from it';
comment on column core.idempotency.headers is 'Headers that a function set';
comment on column core.idempotency.body is 'Null: there was none';

create index idempotency_key_idx on core.idempotency (org_id, user_id, key, id);

alter table core.idempotency enable row level security;
alter table core.idempotency force row level security;

-- 24 hours are never over before the day after the next begins.
insert into ops.partition_policy (table_name, period, periods_ahead, periods_kept)
values ('core.idempotency', 'day', 14, 1);

create table core.unkept_answer (
  function_name text constraint unkept_answer_pkey primary key,
  reason text not null,
  constraint function_name_is_snake_case check (function_name ~ '^[a-z][a-z0-9_]*$'),
  constraint reason_not_blank check (btrim(reason) <> '')
);

comment on table core.unkept_answer is
  'Functions of the API whose answers hold a secret that is shown once: no answer of theirs is kept, so they take no '
  'Idempotency-Key';
comment on column core.unkept_answer.function_name is 'Name in the schema api';
comment on column core.unkept_answer.reason is 'What the answer holds, as the client is told';
