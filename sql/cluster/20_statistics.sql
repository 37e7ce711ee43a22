-- requires: superuser
-- Statement statistics, and who may read them. Idempotent.

create extension if not exists pg_stat_statements schema public;
-- lint: allow sqlfluff.PRS: sqlfluff does not know the options of a grant of roles
-- Inherited, although logins inherit nothing otherwise: monitoring does not change its role.
grant pg_monitor to monitor with inherit true;
-- Back-fills give way to a replica that lags, and a migration that waits names who is in the way.
grant pg_read_all_stats to migrator with inherit true;
