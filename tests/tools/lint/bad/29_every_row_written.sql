-- domain: core
-- why: empty notes are no notes
-- locks: rows of core.partner
-- breaking: no
-- expect: write_without_where

update core.partner set note = null;
