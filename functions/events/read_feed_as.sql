-- For the relay: the feed as one subscriber sees it.

create or replace function events.read_feed_as(claims jsonb, after_xid xid8, after_id uuid, max_rows integer)
returns table (
  audience text,
  horizon xid8,
  xids xid8[],
  ids uuid[],
  entities text[],
  entity_ids uuid[],
  types text[],
  texts text[]
)
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
  perform
    set_config('request.jwt.claims', read_feed_as.claims::text, true),
    -- core.org_id() believes it before the claims, and the subscriber before may have left another one here.
    set_config('erpgres.org_id', read_feed_as.claims ->> 'org_id', true),
    set_config('role', read_feed_as.claims ->> 'role', true);
  -- One statement, so that all of it is of one snapshot.
  return query
  select
    events.audience_key(),
    events.horizon(),
    array_agg(e.xid order by e.xid, e.id),
    array_agg(e.id order by e.xid, e.id),
    array_agg(e.entity order by e.xid, e.id),
    array_agg(e.entity_id order by e.xid, e.id),
    array_agg(e.type order by e.xid, e.id),
    array_agg(to_jsonb(v)::text order by e.xid, e.id)
  from events.read_feed(read_feed_as.after_xid, read_feed_as.after_id, read_feed_as.max_rows) as e
  cross join lateral (
    select
      e.org_id, e.id, e.type, e.entity, e.entity_id, e.entity_version, e.actor_id, e.session_id, e.unit_id, e.partner_id,
      e.request_id, e.before, e.after, e.payload, e.occurred_at
  ) as v;
  perform
    set_config('role', 'none', true),
    set_config('request.jwt.claims', '', true),
    set_config('erpgres.org_id', '', true);
end
$$;

comment on function events.read_feed_as(jsonb, xid8, uuid, integer) is
  'The next events after a cursor that a subscriber, given by the claims of a verified token, sees by row-level security, '
  'as the view api.events words them; with events.audience_key() and events.horizon() of the same snapshot. The claims are '
  'believed of relay alone (core.claims).';

grant execute on function events.read_feed_as(jsonb, xid8, uuid, integer) to relay;
