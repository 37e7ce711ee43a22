-- domain: core
-- why: notes are no novels
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: no
-- expect: half_done

alter table core.partner add constraint note_not_long check (length(note) < 10000) not valid;
