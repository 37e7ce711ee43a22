-- domain: core
-- why: it is called a remark everywhere else
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: yes: clients that show the note

alter table core.partner add column remark text;
