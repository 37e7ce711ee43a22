-- Places, items, conversions and rates: the views that PostgREST exposes.

create view api.locations
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.parent_id,
  t.kind,
  t.code,
  t.name,
  t.path,
  t.unit_id,
  t.capacity,
  t.capacity_unit,
  t.zone,
  t.time_zone,
  t.latitude,
  t.longitude,
  t.is_active,
  t.is_virtual,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.location as t;

comment on view api.locations is
  E'Places\n'
  'Places as a tree: site, warehouse, position, room, rack, shelf, gin, port, and the virtual places that stand '
  'for the outside world. A place and all below it: path=cd.<path>. Moved with POST /rpc/location_move.';
comment on column api.locations.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.locations.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.locations.parent_id is 'Place it lies in; null: a root';
comment on column api.locations.kind is
  'SITE, WAREHOUSE, RECEIVING, STORAGE, PICKING, STAGING, SHIPPING, QUARANTINE, UNASSIGNED, ROOM, RACK, '
  'COMPARTMENT, SHELF, GIN, PORT; virtual: SUPPLIER, CUSTOMER, PRODUCTION, LOSS';
comment on column api.locations.code is 'Code, unique in the place it lies in';
comment on column api.locations.name is 'Name';
comment on column api.locations.path is
  'Ids from the root to this place, hexadecimal without dashes, joined by points; set by the database';
comment on column api.locations.unit_id is 'Organisation unit that runs it';
comment on column api.locations.capacity is 'How much it holds, in capacity_unit; null: no limit';
comment on column api.locations.capacity_unit is 'Unit of capacity';
comment on column api.locations.zone is 'Free grouping for put-away and picking';
comment on column api.locations.time_zone is 'IANA name; null: that of the organisation';
comment on column api.locations.latitude is 'Degrees north';
comment on column api.locations.longitude is 'Degrees east';
comment on column api.locations.is_active is
  'An inactive place takes no new places; all below it must be inactive too';
comment on column api.locations.is_virtual is 'Whether it stands for the outside world';
comment on column api.locations.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.locations.created_at is 'When it was made';
comment on column api.locations.created_by is 'User who made it; null: the tools';
comment on column api.locations.updated_at is 'When it was last changed';
comment on column api.locations.updated_by is 'User who changed it last; null: the tools';

create view api.items
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.sku,
  t.name,
  t.class,
  t.tracking,
  t.unit_code,
  t.shelf_life_days,
  t.price,
  t.currency,
  t.is_active,
  t.search_text,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.item as t;

comment on view api.items is
  E'Items\n'
  'Whatever is bought, made, stored or sold.';
comment on column api.items.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.items.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.items.sku is 'Article number, unique in the organisation';
comment on column api.items.name is 'Name';
comment on column api.items.class is 'GOODS, YARN, FABRIC, TRIM, ACCESSORY, PACKING, FINISHED_GOODS or COMMODITY';
comment on column api.items.tracking is 'How stock is told apart: NONE, LOT or SERIAL; cannot be changed';
comment on column api.items.unit_code is 'Unit in which stock is kept; cannot be changed';
comment on column api.items.shelf_life_days is 'Days until a lot expires; null: it does not';
comment on column api.items.price is 'List price of one unit_code, in currency';
comment on column api.items.currency is 'Currency of price (ISO 4217)';
comment on column api.items.is_active is 'Whether it may be used in new documents';
comment on column api.items.search_text is 'Article number and name in lower case without accents, for search';
comment on column api.items.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.items.created_at is 'When it was made';
comment on column api.items.created_by is 'User who made it; null: the tools';
comment on column api.items.updated_at is 'When it was last changed';
comment on column api.items.updated_by is 'User who changed it last; null: the tools';

create view api.item_barcodes
with (security_invoker = true) as
select
  t.org_id,
  t.barcode,
  t.item_id,
  t.unit_code,
  t.created_at,
  t.created_by
from core.item_barcode as t;

comment on view api.item_barcodes is
  E'Barcodes\n'
  'Barcodes of items; each belongs to one item and says which unit it stands for.';
comment on column api.item_barcodes.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.item_barcodes.barcode is 'What the scanner reads, 3 to 48 printable characters';
comment on column api.item_barcodes.item_id is 'The item';
comment on column api.item_barcodes.unit_code is 'Unit that one scan stands for';
comment on column api.item_barcodes.created_at is 'When it was made';
comment on column api.item_barcodes.created_by is 'User who made it; null: the tools';

create view api.unit_conversions
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.item_id,
  t.from_unit,
  t.to_unit,
  t.factor_numerator,
  t.factor_denominator,
  t.valid,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.unit_conversion as t;

comment on view api.unit_conversions is
  E'Unit conversions\n'
  'What the units themselves do not say: how many pieces a box of an item holds, what a bale weighs. 1 from_unit '
  '= factor_numerator / factor_denominator to_unit, also read backwards.';
comment on column api.unit_conversions.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.unit_conversions.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.unit_conversions.item_id is 'The item it holds for; null: every item';
comment on column api.unit_conversions.from_unit is 'Unit that is explained';
comment on column api.unit_conversions.to_unit is 'Unit it is explained in';
comment on column api.unit_conversions.factor_numerator is 'Numerator of the factor';
comment on column api.unit_conversions.factor_denominator is 'Denominator of the factor';
comment on column api.unit_conversions.valid is
  'Days on which it holds, as [from,until); two conversions of a pair cannot overlap';
comment on column api.unit_conversions.version is
  'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.unit_conversions.created_at is 'When it was made';
comment on column api.unit_conversions.created_by is 'User who made it; null: the tools';
comment on column api.unit_conversions.updated_at is 'When it was last changed';
comment on column api.unit_conversions.updated_by is 'User who changed it last; null: the tools';

create view api.exchange_rates
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.from_currency,
  t.to_currency,
  t.rate,
  t.valid,
  t.source,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from core.exchange_rate as t;

comment on view api.exchange_rates is
  E'Exchange rates\n'
  'One from_currency is rate to_currency on the days of valid.';
comment on column api.exchange_rates.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.exchange_rates.id is 'Id: a version 7 UUID, in order of time; the client may make it';
comment on column api.exchange_rates.from_currency is 'Currency that is priced (ISO 4217)';
comment on column api.exchange_rates.to_currency is 'Currency of the price (ISO 4217)';
comment on column api.exchange_rates.rate is 'What one from_currency costs in to_currency';
comment on column api.exchange_rates.valid is
  'Days on which it holds, as [from,until); two rates of a pair cannot overlap';
comment on column api.exchange_rates.source is 'Where the rate is from';
comment on column api.exchange_rates.version is 'Counts changes; send the one you read to refuse a lost update (412)';
comment on column api.exchange_rates.created_at is 'When it was made';
comment on column api.exchange_rates.created_by is 'User who made it; null: the tools';
comment on column api.exchange_rates.updated_at is 'When it was last changed';
comment on column api.exchange_rates.updated_by is 'User who changed it last; null: the tools';
