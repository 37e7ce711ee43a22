-- Triggers of the ledger: whatever was written stays as it is, for the owner of the table too.

create or replace function wms.tg_stock_ledger__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('wms.ledger_immutable', jsonb_build_object('operation', tg_op));
  return null;
end
$$;

comment on function wms.tg_stock_ledger__refuse() is 'Refuses UPDATE, DELETE and TRUNCATE of the ledger.';

-- For the statement, so that one which finds no row is refused as well; for the row, which partitions inherit.
create or replace trigger refuse_change
before update or delete or truncate on wms.stock_ledger
for each statement
execute function wms.tg_stock_ledger__refuse();

create or replace trigger refuse_row_change
before update or delete on wms.stock_ledger
for each row
execute function wms.tg_stock_ledger__refuse();
