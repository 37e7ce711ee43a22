-- domain: wms
-- why: rules say what is counted how often, a count names who counts, and goods may be bound to their zone
-- locks: wms.count_session, wms.put_away_rule, access exclusive for an instant; what the table refers to, share row exclusive
-- breaking: no

create table wms.count_rule (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  warehouse_id uuid not null,
  zone text,
  item_class text,
  abc_class text,
  every_days integer not null,
  max_lines integer not null default 100,
  is_blind boolean not null default true,
  is_active boolean not null default true,
  note text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint count_rule_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint one_count_rule_per_scope unique nulls not distinct (org_id, warehouse_id, zone, item_class, abc_class),
  constraint class_known check (
    item_class in ('GOODS', 'YARN', 'FABRIC', 'TRIM', 'ACCESSORY', 'PACKING', 'FINISHED_GOODS', 'COMMODITY')
  ),
  constraint abc_class_known check (abc_class in ('A', 'B', 'C')),
  constraint counted_every_so_often check (every_days between 1 and 3650),
  constraint max_lines_in_range check (max_lines between 1 and 1000),
  constraint zone_not_blank check (btrim(zone) <> '')
);

comment on table wms.count_rule is
  'How often what lies in a warehouse, or in the part of it that the rule names, is counted. A job plans counts of what is due.';
comment on column wms.count_rule.zone is 'Positions of this zone; null: all';
comment on column wms.count_rule.item_class is 'Items of this class; null: all';
comment on column wms.count_rule.abc_class is
  'Items of this class by value or movement (A, B or C, see wms.abc_classes); null: all';
comment on column wms.count_rule.every_days is 'What was counted this many days ago is due again; what never was, at once';
comment on column wms.count_rule.max_lines is 'How many lines a count has at most; the rest is due the next time';
comment on column wms.count_rule.is_blind is 'Whether its counts are blind';
comment on column wms.count_rule.is_active is 'Whether counts are planned by it';

alter table wms.count_rule enable row level security;
alter table wms.count_rule force row level security;

alter table wms.count_session add column assigned uuid[] not null default '{}';
alter table wms.count_session add column rule_id uuid;
alter table wms.count_session
add constraint rule_exists foreign key (org_id, rule_id) references wms.count_rule (org_id, id) not valid;

comment on column wms.count_session.assigned is 'Users who count it; empty: whoever may record counts';
comment on column wms.count_session.rule_id is
  'Rule by which it was planned: of its scope only what is due is counted; null: planned by somebody';

alter table wms.put_away_rule add column is_required boolean not null default false;

comment on column wms.put_away_rule.is_required is
  'Whether the goods may lie on shelves of such zones only; else they go there first';

-- What posting works on knows whether the place that it reaches has a limit.
alter type wms.movement add attribute needs_room boolean;
