-- domain: core
-- why: messages are delivered by a worker that tries again after a pause
-- locks: core.message_outbox, access exclusive for an instant (columns with constant defaults)
-- breaking: no

alter table core.message_outbox add column next_attempt_at timestamptz not null default '-infinity';
alter table core.message_outbox add column failed_at timestamptz;

comment on column core.message_outbox.next_attempt_at is 'Not before: the end of the pause after a failure';
comment on column core.message_outbox.failed_at is
  'When it was given up: refused for good, or too old. The payload is emptied then, too.';
