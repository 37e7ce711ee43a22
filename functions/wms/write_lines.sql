-- Stores what wms.read_lines returned.

create or replace function wms.write_lines(lines wms.document_line[])
returns void
language sql
volatile
parallel unsafe
begin atomic
  insert into wms.document_line (
    org_id, document_id, id, line_no, item_id, lot_id, from_position_id, to_position_id, quantity, unit_code, quantity_base,
    unit_price, booked_value
  )
  select
    l.org_id,
    l.document_id,
    l.id,
    l.line_no,
    l.item_id,
    l.lot_id,
    l.from_position_id,
    l.to_position_id,
    l.quantity,
    l.unit_code,
    l.quantity_base,
    l.unit_price,
    l.booked_value
  from unnest(write_lines.lines) as l;
end;

comment on function wms.write_lines(wms.document_line[]) is 'Inserts lines that wms.read_lines has checked.';
