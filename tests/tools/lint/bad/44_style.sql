-- domain: core
-- why: a better comment
-- locks: none (new objects)
-- breaking: no
-- expect: sqlfluff.CP01

COMMENT ON TABLE core.item IS 'Goods';
