-- A program that reads the feed keeps its place in the database.

create or replace function api.event_consumer_register(name text, cursor text default 'now')
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_xid xid8;
  v_id uuid;
begin
  perform core.require_permission('events.consumer.create');
  if not coalesce(event_consumer_register.name ~ '^[a-z][a-z0-9_.-]{0,62}$', false) then
    perform core.raise_error('events.consumer_name', jsonb_build_object('name', event_consumer_register.name));
  end if;
  select c.xid, c.id into v_xid, v_id from events.parse_cursor(event_consumer_register.cursor) as c;
  insert into events.consumer as c (org_id, name, cursor_xid, cursor_id)
  values (core.org_id(), event_consumer_register.name, v_xid, v_id)
  on conflict on constraint consumer_name_unique do nothing;
  return (
    select jsonb_build_object('name', c.name, 'cursor', c.cursor_xid || '.' || c.cursor_id)
    from events.consumer as c
    where c.org_id = core.org_id() and c.name = event_consumer_register.name
  );
end
$$;

comment on function api.event_consumer_register(text, text) is
  E'Register a program that reads the feed\n'
  'cursor: where it begins, by default now; null from the first event kept. One that is registered keeps its place. Returns '
  'name and cursor. Errors: events.cursor_invalid (400), core.permission_missing (403), events.consumer_name (422).';

grant execute on function api.event_consumer_register(text, text) to member, superadmin;
