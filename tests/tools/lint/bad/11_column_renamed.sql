-- domain: core
-- why: it is called a remark everywhere else
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: yes: clients that show the note
-- expect: squawk.renaming-column

alter table core.partner rename column note to remark;
