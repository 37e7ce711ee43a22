-- Put-away rules, adjustments, counts and handling units in the API.

create view api.wms_put_away_rules
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.warehouse_id,
  r.item_id,
  r.item_class,
  r.zone,
  r.is_required,
  r.version,
  r.created_at,
  r.created_by,
  r.updated_at,
  r.updated_by
from wms.put_away_rule as r;

comment on view api.wms_put_away_rules is
  'In which zones goods are put away first
Of an item, else of a class, else of all; in one warehouse or in every one. wms_put_away_propose asks them. Goods with a rule
that is_required lie on shelves of such zones only, whatever document brings them.';
comment on column api.wms_put_away_rules.org_id is 'Organisation';
comment on column api.wms_put_away_rules.id is 'Identifier, in order of creation';
comment on column api.wms_put_away_rules.warehouse_id is 'Warehouse that it holds in; null: in every one';
comment on column api.wms_put_away_rules.item_id is 'Item that it holds for; null: for all, or all of item_class';
comment on column api.wms_put_away_rules.item_class is 'Class of items that it holds for';
comment on column api.wms_put_away_rules.zone is 'Zone of positions that the goods belong in';
comment on column api.wms_put_away_rules.is_required is
  'Whether the goods may lie in STORAGE and PICKING positions of such zones only; else they go there first';
comment on column api.wms_put_away_rules.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_put_away_rules.created_at is 'When it was made';
comment on column api.wms_put_away_rules.created_by is 'User who made it';
comment on column api.wms_put_away_rules.updated_at is 'When it was last changed';
comment on column api.wms_put_away_rules.updated_by is 'User who last changed it';

create view api.wms_adjustments
with (security_invoker = true)
as
select
  a.org_id,
  a.id,
  a.status,
  a.warehouse_id,
  a.position_id,
  a.item_id,
  a.lot_id,
  a.quantity_before,
  a.new_quantity,
  a.difference,
  a.amount,
  a.currency,
  a.reason,
  a.status_reason,
  a.document_id,
  a.decided_at,
  a.decided_by,
  a.version,
  a.created_at,
  a.created_by,
  a.updated_at,
  a.updated_by
from wms.adjustment as a;

comment on view api.wms_adjustments is
  'Corrections of what lies at a place
Made by wms_stock_adjust: a small one is posted at once, a large one is PENDING until a second person decides it with
approval_decide. The difference is posted, so what moved meanwhile stays moved.';
comment on column api.wms_adjustments.org_id is 'Organisation';
comment on column api.wms_adjustments.id is 'Identifier, in order of creation';
comment on column api.wms_adjustments.status is 'PENDING, POSTED, REJECTED or WITHDRAWN';
comment on column api.wms_adjustments.warehouse_id is 'Warehouse';
comment on column api.wms_adjustments.position_id is 'Position';
comment on column api.wms_adjustments.item_id is 'Item';
comment on column api.wms_adjustments.lot_id is 'Lot or serial number of a tracked item';
comment on column api.wms_adjustments.quantity_before is 'What the balance said when the difference was found';
comment on column api.wms_adjustments.new_quantity is 'What lay there instead';
comment on column api.wms_adjustments.difference is 'new_quantity less quantity_before';
comment on column api.wms_adjustments.amount is 'Value of the difference at the list price, always positive; null: not known';
comment on column api.wms_adjustments.currency is 'Currency of amount';
comment on column api.wms_adjustments.reason is 'Why stock differs';
comment on column api.wms_adjustments.status_reason is 'Why it was rejected or withdrawn';
comment on column api.wms_adjustments.document_id is 'Document that posted it';
comment on column api.wms_adjustments.decided_at is 'When it was posted, rejected or withdrawn';
comment on column api.wms_adjustments.decided_by is 'User who did that';
comment on column api.wms_adjustments.version is 'Grows with each change';
comment on column api.wms_adjustments.created_at is 'When it was made';
comment on column api.wms_adjustments.created_by is 'User who made it';
comment on column api.wms_adjustments.updated_at is 'When it was last changed';
comment on column api.wms_adjustments.updated_by is 'User who last changed it';

create view api.wms_counts
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.status,
  c.number,
  c.warehouse_id,
  c.position_id,
  c.zone,
  c.item_id,
  c.item_class,
  c.is_blind,
  c.planned_on,
  c.count_index,
  c.line_count,
  c.difference_count,
  c.counters,
  c.assigned,
  c.rule_id,
  c.document_id,
  c.note,
  c.status_reason,
  c.started_at,
  c.started_by,
  c.counted_at,
  c.counted_by,
  c.posted_at,
  c.posted_by,
  c.version,
  c.created_at,
  c.created_by,
  c.updated_at,
  c.updated_by
from wms.count_session as c;

comment on view api.wms_counts is
  'Stock counts
Planned by wms_count_plan, begun by wms_count_start, ended by wms_count_finish, posted by wms_count_post. Goods may move
meanwhile. The lines are in wms_count_lines.';
comment on column api.wms_counts.org_id is 'Organisation';
comment on column api.wms_counts.id is 'Identifier, in order of creation';
comment on column api.wms_counts.status is 'PLANNED, COUNTING, COUNTED, INVESTIGATING, POSTED or CANCELLED';
comment on column api.wms_counts.number is 'Number, without gaps; null until it is started';
comment on column api.wms_counts.warehouse_id is 'Warehouse';
comment on column api.wms_counts.position_id is 'Scope: this position and all below it; null: all';
comment on column api.wms_counts.zone is 'Scope: positions of this zone; null: all';
comment on column api.wms_counts.item_id is 'Scope: this item; null: all';
comment on column api.wms_counts.item_class is 'Scope: items of this class; null: all';
comment on column api.wms_counts.is_blind is 'Whether who counts does not see what is expected';
comment on column api.wms_counts.planned_on is 'Day that it is planned for';
comment on column api.wms_counts.count_index is 'How often it has been counted, this time included';
comment on column api.wms_counts.line_count is 'How many lines it has, without those found since it was last counted';
comment on column api.wms_counts.difference_count is 'How many lines differed when it was last counted';
comment on column api.wms_counts.counters is 'Users who counted, as of when counting was last finished: none of them may post';
comment on column api.wms_counts.assigned is 'Users who count it; empty: whoever may record counts';
comment on column api.wms_counts.rule_id is
  'Rule by which it was planned: only what is due is counted; null: planned by somebody';
comment on column api.wms_counts.document_id is 'Document that posted the differences; null: there were none';
comment on column api.wms_counts.note is 'Remark';
comment on column api.wms_counts.status_reason is 'Why it was cancelled';
comment on column api.wms_counts.started_at is 'When counting started';
comment on column api.wms_counts.started_by is 'User who started it';
comment on column api.wms_counts.counted_at is 'When counting was last finished';
comment on column api.wms_counts.counted_by is 'User who finished it';
comment on column api.wms_counts.posted_at is 'When it was posted';
comment on column api.wms_counts.posted_by is 'User who posted it';
comment on column api.wms_counts.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_counts.created_at is 'When it was planned';
comment on column api.wms_counts.created_by is 'User who planned it';
comment on column api.wms_counts.updated_at is 'When it was last changed';
comment on column api.wms_counts.updated_by is 'User who last changed it';

create view api.wms_count_rules
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.warehouse_id,
  r.zone,
  r.item_class,
  r.abc_class,
  r.every_days,
  r.max_lines,
  r.is_blind,
  r.is_active,
  r.note,
  r.version,
  r.created_at,
  r.created_by,
  r.updated_at,
  r.updated_by
from wms.count_rule as r;

comment on view api.wms_count_rules is
  'How often what lies in a warehouse is counted
What of it is due: wms_counts_due. Each night counts are planned of it, by hand with wms_counts_plan_due. A rule that counts were
planned by is not removed: it is_active no longer.';
comment on column api.wms_count_rules.org_id is 'Organisation';
comment on column api.wms_count_rules.id is 'Identifier, in order of creation';
comment on column api.wms_count_rules.warehouse_id is 'Warehouse';
comment on column api.wms_count_rules.zone is 'Positions of this zone; null: all';
comment on column api.wms_count_rules.item_class is 'Items of this class; null: all';
comment on column api.wms_count_rules.abc_class is
  'A: items that make up most of the value or movement (setting wms.abc_basis), B: of the rest most, C: all others; null: all';
comment on column api.wms_count_rules.every_days is 'What was counted this many days ago is due; what never was, at once';
comment on column api.wms_count_rules.max_lines is 'How many lines a count has at most';
comment on column api.wms_count_rules.is_blind is 'Whether its counts are blind';
comment on column api.wms_count_rules.is_active is 'Whether counts are planned by it';
comment on column api.wms_count_rules.note is 'Remark';
comment on column api.wms_count_rules.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_count_rules.created_at is 'When it was made';
comment on column api.wms_count_rules.created_by is 'User who made it';
comment on column api.wms_count_rules.updated_at is 'When it was last changed';
comment on column api.wms_count_rules.updated_by is 'User who last changed it';

create view api.wms_count_lines
with (security_invoker = true)
as
select
  l.org_id,
  l.id,
  l.count_id,
  l.position_id,
  l.item_id,
  l.lot_id,
  l.is_found,
  l.count_index,
  l.counted,
  l.counted_at,
  l.counted_by,
  l.reason,
  e.expected,
  e.expected_at_count - e.expected as moved,
  e.expected_at_count,
  l.counted - e.expected_at_count as difference,
  l.version,
  l.created_at,
  l.updated_at,
  p.code as position_code,
  i.sku,
  i.name as item_name,
  i.unit_code,
  t.lot_no
from wms.count_line as l
inner join core.location as p
  on p.org_id = l.org_id
  and p.id = l.position_id
inner join core.item as i
  on i.org_id = l.org_id
  and i.id = l.item_id
left join wms.lot as t
  on t.org_id = l.org_id
  and t.id = l.lot_id
left join wms.count_expectation as e
  on e.org_id = l.org_id
  and e.line_id = l.id;

comment on view api.wms_count_lines is
  'Lines of counts
Ask for those of one count (count_id=eq.…&order=id); recorded by wms_count_record. expected, moved, expected_at_count and
difference are null in a blind count until it is finished.';
comment on column api.wms_count_lines.org_id is 'Organisation';
comment on column api.wms_count_lines.id is 'Identifier';
comment on column api.wms_count_lines.count_id is 'Count';
comment on column api.wms_count_lines.position_id is 'Position';
comment on column api.wms_count_lines.item_id is 'Item';
comment on column api.wms_count_lines.lot_id is 'Lot or serial number of a tracked item';
comment on column api.wms_count_lines.is_found is 'Whether it was not on the list: found while counting';
comment on column api.wms_count_lines.count_index is 'Which time it is counted';
comment on column api.wms_count_lines.counted is 'What was counted, in unit_code; null: not yet';
comment on column api.wms_count_lines.counted_at is 'When it was counted';
comment on column api.wms_count_lines.counted_by is 'User who counted it';
comment on column api.wms_count_lines.reason is 'Why it differs';
comment on column api.wms_count_lines.expected is 'What the balance said when the count started';
comment on column api.wms_count_lines.moved is 'What the ledger moved between then and the moment of counting';
comment on column api.wms_count_lines.expected_at_count is 'What the balance said at the moment of counting';
comment on column api.wms_count_lines.difference is 'counted less expected_at_count: what posting corrects';
comment on column api.wms_count_lines.version is 'Grows with each change';
comment on column api.wms_count_lines.created_at is 'When it came on the list';
comment on column api.wms_count_lines.updated_at is 'When it was last changed';
comment on column api.wms_count_lines.position_code is 'Short name of the position';
comment on column api.wms_count_lines.sku is 'Code of the item';
comment on column api.wms_count_lines.item_name is 'Name of the item';
comment on column api.wms_count_lines.unit_code is 'Unit that the item is kept in';
comment on column api.wms_count_lines.lot_no is 'Number of the lot';

create trigger refuse
instead of insert or update or delete on api.wms_count_lines
for each row
execute function wms.tg_view__refuse();

create view api.wms_handling_units
with (security_invoker = true)
as
select
  u.org_id,
  u.id,
  u.sscc,
  u.kind,
  u.status,
  u.parent_id,
  u.depth,
  u.location_id,
  u.warehouse_id,
  u.document_id,
  u.note,
  u.status_reason,
  u.version,
  u.created_at,
  u.created_by,
  u.updated_at,
  u.updated_by
from wms.handling_unit as u;

comment on view api.wms_handling_units is
  'Handling units: pallets, cartons and the like that are moved with all that is in them
Made by wms_handling_unit_create, filled by wms_handling_unit_pack, moved by wms_handling_unit_move, sent by
wms_handling_unit_ship. What is in them is in wms_handling_unit_contents.';
comment on column api.wms_handling_units.org_id is 'Organisation';
comment on column api.wms_handling_units.id is 'Identifier, in order of creation';
comment on column api.wms_handling_units.sscc is 'Serial shipping container code: 18 digits';
comment on column api.wms_handling_units.kind is 'PALLET, CARTON, CRATE, CAGE, DRUM, ROLL, BAG or TOTE';
comment on column api.wms_handling_units.status is 'OPEN, SHIPPED or DISSOLVED';
comment on column api.wms_handling_units.parent_id is 'Unit that it lies in; null: it stands by itself';
comment on column api.wms_handling_units.depth is '1 for a unit that stands by itself, one more for each that it lies in';
comment on column api.wms_handling_units.location_id is 'Position where it stands, or last stood';
comment on column api.wms_handling_units.warehouse_id is 'Warehouse of that position';
comment on column api.wms_handling_units.document_id is 'Document that shipped it';
comment on column api.wms_handling_units.note is 'Remark';
comment on column api.wms_handling_units.status_reason is 'Why it was dissolved';
comment on column api.wms_handling_units.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_handling_units.created_at is 'When it was made';
comment on column api.wms_handling_units.created_by is 'User who made it';
comment on column api.wms_handling_units.updated_at is 'When it was last changed';
comment on column api.wms_handling_units.updated_by is 'User who last changed it';

create view api.wms_handling_unit_contents
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.handling_unit_id,
  c.item_id,
  c.lot_id,
  c.quantity,
  c.created_at,
  c.created_by,
  c.updated_at,
  i.sku,
  i.name as item_name,
  i.unit_code,
  t.lot_no
from wms.handling_unit_content as c
inner join core.item as i
  on i.org_id = c.org_id
  and i.id = c.item_id
left join wms.lot as t
  on t.org_id = c.org_id
  and t.id = c.lot_id;

comment on view api.wms_handling_unit_contents is
  'What is directly in handling units
Ask for that of one (handling_unit_id=eq.…). What was in a unit that was shipped stays.';
comment on column api.wms_handling_unit_contents.org_id is 'Organisation';
comment on column api.wms_handling_unit_contents.id is 'Identifier';
comment on column api.wms_handling_unit_contents.handling_unit_id is 'Handling unit';
comment on column api.wms_handling_unit_contents.item_id is 'Item';
comment on column api.wms_handling_unit_contents.lot_id is 'Lot or serial number of a tracked item';
comment on column api.wms_handling_unit_contents.quantity is 'How much, in unit_code';
comment on column api.wms_handling_unit_contents.created_at is 'When it was first packed';
comment on column api.wms_handling_unit_contents.created_by is 'User who packed it';
comment on column api.wms_handling_unit_contents.updated_at is 'When it was last changed';
comment on column api.wms_handling_unit_contents.sku is 'Code of the item';
comment on column api.wms_handling_unit_contents.item_name is 'Name of the item';
comment on column api.wms_handling_unit_contents.unit_code is 'Unit that the item is kept in';
comment on column api.wms_handling_unit_contents.lot_no is 'Number of the lot';

create trigger refuse
instead of insert or update or delete on api.wms_handling_unit_contents
for each row
execute function wms.tg_view__refuse();
