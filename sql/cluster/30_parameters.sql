-- requires: superuser
-- Settings that take a right of their own to change. Idempotent.

-- core.raise_answer gives a kept answer again as an error, since nothing else ends a request before its statement: without
-- this right the answer would stand in the server's log.
-- lint: allow sqlfluff.PRS: sqlfluff does not know grants on parameters
grant set on parameter log_min_messages to owner;
