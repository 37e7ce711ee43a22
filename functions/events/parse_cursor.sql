-- Cursors of the feed as text.

create or replace function events.parse_cursor(cursor text, out xid xid8, out id uuid)
returns record
language plpgsql
stable
parallel safe
as $$
begin
  if parse_cursor.cursor is null then
    xid := '0';
    id := '00000000-0000-0000-0000-000000000000';
  elsif parse_cursor.cursor = 'now' then
    select s.xid, s.id into parse_cursor.xid, parse_cursor.id from events.settled() as s;
  elsif parse_cursor.cursor ~ '^[0-9]{1,19}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    xid := split_part(parse_cursor.cursor, '.', 1)::xid8;
    id := split_part(parse_cursor.cursor, '.', 2)::uuid;
  else
    perform core.raise_error('events.cursor_invalid', jsonb_build_object('cursor', left(parse_cursor.cursor, 80)));
  end if;
end
$$;

comment on function events.parse_cursor(text) is
  'The position that a cursor names: xid.uuid, now (all that has happened by now is behind it), null (before the first '
  'event). Raises events.cursor_invalid (400).';

grant execute on function events.parse_cursor(text) to partner, member, superadmin, migrator, worker;
