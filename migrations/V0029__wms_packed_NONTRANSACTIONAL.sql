-- domain: wms
-- why: the constraint on packed quantities holds for the balances of before, too; read without holding up postings
-- locks: wms.balance, share update exclusive while it is read
-- breaking: no

alter table wms.balance validate constraint packed_within_quantity;
