-- Messages that wait for delivery. They may hold a token, so only who delivers them reads them.

grant select, delete, update (sent_at, payload, attempts, last_error, next_attempt_at, failed_at)
on core.message_outbox to worker;
grant select, insert, update, delete on core.message_outbox to migrator;

-- nothing for anybody else, and no row level security: of no organisation, and nobody is shown a row
