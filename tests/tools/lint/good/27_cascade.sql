-- domain: core
-- why: old passwords are not kept
-- locks: core.password_history, ACCESS EXCLUSIVE, an instant
-- breaking: yes: the check of old passwords

comment on table core.password_history is 'No longer written';
