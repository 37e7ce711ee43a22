-- domain: wms
-- why: under many batches of postings at once balances and values run out of room on their pages
-- locks: wms.balance and wms.stock_value, share update exclusive for an instant
-- breaking: no

-- A posting that waits still sees each row as it was when it began to wait, so all versions since then stay. Twenty batches in
-- a queue leave some five of each balance and fourteen of each value (docs/adr/0017): they shall find room on its page, or the
-- row is no longer changed in place. Pages that are full stay as they are; rows leave them as they change.
alter table wms.balance set (fillfactor = 20);
alter table wms.stock_value set (fillfactor = 10);

create type wms.balance_changes as (
  ids uuid[],
  deltas numeric[],
  holds numeric[],
  needs numeric[],
  is_missing boolean
);

comment on type wms.balance_changes is
  'Balances in the order of their ids, which is that of their locks, with the changes of quantity and of reserved, and how much '
  'must lie there unreserved; and whether some balances are not there yet.';
