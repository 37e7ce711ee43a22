-- domain: core
-- why: places (warehouses, rooms, racks, ports), items with barcodes, unit conversions and exchange rates
-- locks: none (new objects)
-- breaking: no

create table core.location (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  parent_id uuid,
  kind text not null,
  code text not null,
  name text not null,
  path ltree not null,
  unit_id uuid,
  capacity numeric(18, 6),
  capacity_unit text,
  zone text,
  time_zone text,
  latitude numeric(9, 6),
  longitude numeric(9, 6),
  is_active boolean not null default true,
  is_virtual boolean not null generated always as (kind in ('SUPPLIER', 'CUSTOMER', 'PRODUCTION', 'LOSS')) stored,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint location_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint parent_exists foreign key (org_id, parent_id) references core.location (org_id, id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint capacity_unit_exists foreign key (capacity_unit) references core.unit (code),
  constraint location_code_unique_below_a_parent unique nulls not distinct (org_id, parent_id, code),
  constraint kind_known check (
    kind in (
      'SITE', 'WAREHOUSE', 'RECEIVING', 'STORAGE', 'PICKING', 'STAGING', 'SHIPPING', 'QUARANTINE', 'UNASSIGNED',
      'ROOM', 'RACK', 'COMPARTMENT', 'SHELF', 'GIN', 'PORT', 'SUPPLIER', 'CUSTOMER', 'PRODUCTION', 'LOSS'
    )
  ),
  constraint code_not_blank check (btrim(code) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint not_its_own_parent check (parent_id <> id),
  constraint virtual_places_stand_alone check (parent_id is null or not is_virtual),
  constraint virtual_places_stay_active check (is_active or not is_virtual),
  constraint capacity_positive check (capacity > 0),
  constraint capacity_has_a_unit check ((capacity is null) = (capacity_unit is null)),
  constraint latitude_in_range check (latitude between -90 and 90),
  constraint longitude_in_range check (longitude between -180 and 180),
  constraint latitude_with_longitude check ((latitude is null) = (longitude is null))
);

comment on table core.location is
  'Places as a tree: site, warehouse, position, room, rack, shelf, gin, port. The virtual places SUPPLIER, CUSTOMER, '
  'PRODUCTION and LOSS stand for the outside world, so that every movement has two ends.';
comment on column core.location.path is 'Ids from the root to this place (hexadecimal, without dashes); kept by a trigger';
comment on column core.location.capacity is 'How much it holds, in capacity_unit; null: no limit';
comment on column core.location.zone is 'Free grouping for put-away and picking';

create unique index one_virtual_place_of_a_kind on core.location (org_id, kind) where is_virtual;
create index location_kind_idx on core.location (org_id, kind, code, id);
create index location_path_idx on core.location using gist (org_id, path);
create index location_unit_id_idx on core.location (org_id, unit_id);
create index location_capacity_unit_idx on core.location (capacity_unit);

create table core.item (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  sku text not null,
  name text not null,
  class text not null,
  tracking text not null default 'NONE',
  unit_code text not null,
  shelf_life_days integer,
  price numeric(18, 4),
  currency text,
  is_active boolean not null default true,
  search_text text not null generated always as (core.search_text(sku, name)) stored,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint item_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint unit_exists foreign key (unit_code) references core.unit (code),
  constraint currency_exists foreign key (currency) references core.currency (code),
  constraint item_sku_unique unique (org_id, sku),
  constraint sku_not_blank check (btrim(sku) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint class_known check (
    class in ('GOODS', 'YARN', 'FABRIC', 'TRIM', 'ACCESSORY', 'PACKING', 'FINISHED_GOODS', 'COMMODITY')
  ),
  constraint tracking_known check (tracking in ('NONE', 'LOT', 'SERIAL')),
  constraint shelf_life_positive check (shelf_life_days > 0),
  constraint shelf_life_needs_lots check (shelf_life_days is null or tracking <> 'NONE'),
  constraint price_not_negative check (price >= 0),
  constraint price_has_a_currency check ((price is null) = (currency is null))
);

comment on table core.item is 'Whatever is bought, made, stored or sold';
comment on column core.item.tracking is 'Whether stock is told apart by lot, by serial number, or not at all';
comment on column core.item.unit_code is 'Unit in which stock is kept';
comment on column core.item.price is 'List price of one unit_code, in currency';

create index item_name_idx on core.item (org_id, name, id);
create index item_class_idx on core.item (org_id, class, id);
create index item_unit_code_idx on core.item (unit_code);
create index item_currency_idx on core.item (currency);

create table core.item_barcode (
  org_id uuid not null default core.org_id(),
  barcode text not null,
  item_id uuid not null,
  unit_code text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint item_barcode_pkey primary key (org_id, barcode),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id) on delete cascade,
  constraint unit_exists foreign key (unit_code) references core.unit (code),
  constraint barcode_printable check (barcode ~ '^[!-~]{3,48}$')
);

comment on table core.item_barcode is 'Barcodes of an item; each belongs to one item and says which unit it stands for';

create index item_barcode_item_id_idx on core.item_barcode (org_id, item_id);
create index item_barcode_unit_code_idx on core.item_barcode (unit_code);

create table core.unit_conversion (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid,
  from_unit text not null,
  to_unit text not null,
  factor_numerator numeric not null,
  factor_denominator numeric not null default 1,
  valid daterange not null default daterange(null, null),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint unit_conversion_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id) on delete cascade,
  constraint from_unit_exists foreign key (from_unit) references core.unit (code),
  constraint to_unit_exists foreign key (to_unit) references core.unit (code),
  constraint units_differ check (from_unit <> to_unit),
  constraint factor_positive check (factor_numerator > 0 and factor_denominator > 0),
  constraint one_factor_at_a_time exclude using gist (
    org_id with =,
    coalesce(item_id, '00000000-0000-0000-0000-000000000000'::uuid) with =,
    least(from_unit, to_unit) with =,
    greatest(from_unit, to_unit) with =,
    valid with &&
  )
);

comment on table core.unit_conversion is
  'What the units table cannot know: how many pieces a box of an item holds, how heavy a metre of a fabric is, or what an '
  'organisation takes a bale to be. 1 from_unit = factor_numerator / factor_denominator to_unit, also read backwards.';
comment on column core.unit_conversion.item_id is 'The item it holds for; null: for every item of the organisation';

create index unit_conversion_item_id_idx on core.unit_conversion (org_id, item_id);
create index unit_conversion_from_unit_idx on core.unit_conversion (from_unit);
create index unit_conversion_to_unit_idx on core.unit_conversion (to_unit);

create table core.exchange_rate (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  from_currency text not null,
  to_currency text not null,
  rate numeric not null,
  valid daterange not null,
  source text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint exchange_rate_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint from_currency_exists foreign key (from_currency) references core.currency (code),
  constraint to_currency_exists foreign key (to_currency) references core.currency (code),
  constraint currencies_differ check (from_currency <> to_currency),
  constraint rate_positive check (rate > 0),
  constraint one_rate_at_a_time unique (org_id, from_currency, to_currency, valid without overlaps)
);

comment on table core.exchange_rate is 'One from_currency is rate to_currency on the days of valid; days cannot overlap';

create index exchange_rate_from_currency_idx on core.exchange_rate (from_currency);
create index exchange_rate_to_currency_idx on core.exchange_rate (to_currency);

alter table core.location enable row level security;
alter table core.location force row level security;
alter table core.item enable row level security;
alter table core.item force row level security;
alter table core.item_barcode enable row level security;
alter table core.item_barcode force row level security;
alter table core.unit_conversion enable row level security;
alter table core.unit_conversion force row level security;
alter table core.exchange_rate enable row level security;
alter table core.exchange_rate force row level security;
