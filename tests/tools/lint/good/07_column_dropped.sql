-- domain: core
-- why: the note of a partner is not used
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: yes: clients that show the note

comment on column core.partner.note is 'No longer shown; removed with the next breaking release';
