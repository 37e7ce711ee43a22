-- domain: core
-- why: notes are no novels
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: no

alter table core.partner add constraint note_not_long check (length(note) < 10000) not valid;
-- lint: allow squawk.constraint-missing-not-valid: partners are few, and no writer waits for it
alter table core.partner validate constraint note_not_long;
