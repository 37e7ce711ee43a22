-- domain: core
-- why: goods are graded
-- locks: core.item, ACCESS EXCLUSIVE, an instant
-- breaking: no
-- expect: squawk.adding-required-field

alter table core.item add column grade text not null;
