-- domain: wms
-- why: the constraint on packed quantities holds for the balances of before, too; lots whose last day is over are found at once
-- locks: wms.balance and wms.lot, share update exclusive while they are read
-- breaking: no

alter table wms.balance validate constraint packed_within_quantity;

-- What the hourly job looks for.
create index concurrently if not exists lot_expires_on_idx
on wms.lot (org_id, expires_on, id) where status in ('APPROVED', 'ON_HOLD', 'QUARANTINED');
