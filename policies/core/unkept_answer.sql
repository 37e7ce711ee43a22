-- Functions that take no Idempotency-Key. The same for all organisations, hence no row level security.

grant select on core.unkept_answer to migrator;

-- nothing for anybody else: core.begin_idempotent reads it

-- no write for anybody: the rows come from sql/reference
