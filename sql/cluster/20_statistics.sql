-- requires: superuser
-- Statement statistics, and who may read them. Idempotent.

create extension if not exists pg_stat_statements schema public;
-- lint: allow sqlfluff.PRS: sqlfluff does not know the options of a grant of roles
-- Inherited, although logins inherit nothing otherwise: monitoring does not change its role.
grant pg_monitor to monitor with inherit true;
