-- domain: core
-- why: old passwords are not kept
-- locks: core.password_history, ACCESS EXCLUSIVE, an instant
-- breaking: yes: the check of old passwords
-- expect: no_cascade, squawk.ban-drop-table

drop table core.password_history cascade;
