-- domain: core
-- why: items are listed by class
-- locks: core.item, SHARE UPDATE EXCLUSIVE
-- breaking: no

create index concurrently if not exists item_grade_idx on core.item (org_id, class, sku);
