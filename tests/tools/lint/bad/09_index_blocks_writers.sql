-- domain: core
-- why: items are listed by class
-- locks: core.item, SHARE, while the index is built
-- breaking: no
-- expect: squawk.require-concurrent-index-creation

create index item_grade_idx on core.item (org_id, class, sku);
