-- domain: core
-- why: a better comment
-- locks: none (new objects)
-- breaking: no

comment on table core.item is 'Goods';
