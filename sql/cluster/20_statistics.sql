-- requires: superuser
-- Statement statistics, and who may read them. Idempotent.

create extension if not exists pg_stat_statements schema public;
grant pg_monitor to monitor;
