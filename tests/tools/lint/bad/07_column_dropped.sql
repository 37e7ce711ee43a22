-- domain: core
-- why: the note of a partner is not used
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: yes: clients that show the note
-- expect: squawk.ban-drop-column

alter table core.partner drop column note;
