-- domain: wms
-- why: what is due to be counted, and the open count of a rule, are found at once
-- locks: wms.count_session and wms.count_line, share update exclusive while they are read
-- breaking: no

alter table wms.count_session validate constraint rule_exists;

-- When a balance was counted last.
create index concurrently if not exists count_line_balance_idx
on wms.count_line (org_id, item_id, position_id, lot_id, counted_at) where counted_at is not null;

-- One count at a time by each rule.
create unique index concurrently if not exists one_unfinished_count_per_rule
on wms.count_session (org_id, rule_id) where status in ('PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING');

create index concurrently if not exists count_session_rule_idx
on wms.count_session (org_id, rule_id, id) where rule_id is not null;

-- Whether goods are bound to zones at all, which each posting asks.
create index concurrently if not exists put_away_rule_required_idx
on wms.put_away_rule (org_id, warehouse_id, zone) where is_required;
