-- domain: core
-- why: empty notes are no notes
-- locks: rows of core.partner
-- breaking: no

update core.partner set note = null where note = '';
