-- Events in the API.

create view api.events
with (security_invoker = true)
as
select
  e.org_id,
  e.id,
  e.type,
  e.entity,
  e.entity_id,
  e.entity_version,
  e.actor_id,
  e.session_id,
  e.unit_id,
  e.partner_id,
  e.request_id,
  e.before,
  e.after,
  e.payload,
  e.occurred_at
from events.event as e;

comment on view api.events is
  'Events: what happened, who did it
Newest first with order=id.desc; filter by entity, entity_id, type or actor_id. A list for people: a program that must miss
nothing reads events_since. Nothing in it ever changes.';
comment on column api.events.org_id is 'Organisation';
comment on column api.events.id is 'Identifier, in order of time';
comment on column api.events.type is 'entity.created, updated, deleted, or the new status: wms_document.posted';
comment on column api.events.entity is 'What it is about: partner, item, wms_document';
comment on column api.events.entity_id is 'The row that it is about';
comment on column api.events.entity_version is 'Version of the row after the change';
comment on column api.events.actor_id is 'User who did it; null: the tools or a background job';
comment on column api.events.session_id is 'Session of the user';
comment on column api.events.unit_id is 'Unit of the row';
comment on column api.events.partner_id is 'Partner of the row, if its EXTERNAL users may see the event';
comment on column api.events.request_id is 'X-Request-ID of the request that did it';
comment on column api.events.before is 'Old values: of an update those that differ, of a deletion all';
comment on column api.events.after is 'New values: of an update those that differ, of a creation all';
comment on column api.events.payload is 'What else the event says';
comment on column api.events.occurred_at is 'When it happened';

create view api.event_consumers
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.name,
  c.cursor_xid || '.' || c.cursor_id as cursor,
  c.acknowledged_at,
  c.version,
  c.created_at,
  c.created_by,
  c.updated_at,
  c.updated_by
from events.consumer as c;

comment on view api.event_consumers is
  'Programs that read the feed
Made by event_consumer_register, moved by event_consumer_acknowledge, removed by event_consumer_remove.';
comment on column api.event_consumers.org_id is 'Organisation';
comment on column api.event_consumers.id is 'Identifier, in order of creation';
comment on column api.event_consumers.name is 'Name';
comment on column api.event_consumers.cursor is 'All events up to it are dealt with';
comment on column api.event_consumers.acknowledged_at is 'When it last said so';
comment on column api.event_consumers.version is 'Grows with each change';
comment on column api.event_consumers.created_at is 'When it was registered';
comment on column api.event_consumers.created_by is 'User who registered it';
comment on column api.event_consumers.updated_at is 'When it was last changed';
comment on column api.event_consumers.updated_by is 'User who last changed it';
