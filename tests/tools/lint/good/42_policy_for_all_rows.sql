-- domain: core
-- why: a new rule
-- locks: core.partner, ACCESS EXCLUSIVE, an instant
-- breaking: no

comment on table core.partner is 'Who trades with us';
