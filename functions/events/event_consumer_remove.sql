-- A program no longer reads the feed.

create or replace function api.event_consumer_remove(name text)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.require_permission('events.consumer.delete');
  delete from events.consumer as c where c.org_id = core.org_id() and c.name = event_consumer_remove.name;
  if not found then
    perform core.raise_error('events.consumer_unknown', jsonb_build_object('name', event_consumer_remove.name));
  end if;
  return jsonb_build_object('name', event_consumer_remove.name);
end
$$;

comment on function api.event_consumer_remove(text) is
  E'Remove a program that reads the feed\n'
  'Its place is forgotten. Returns the name. Errors: core.permission_missing (403), events.consumer_unknown (404).';

grant execute on function api.event_consumer_remove(text) to member, superadmin;
