-- For views that join: a write is refused for want of the right to it, as for every other view, not as a server error.

create or replace function core.tg_view__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('core.view_read_only', jsonb_build_object('view', tg_table_name));
  return null;
end
$$;

comment on function core.tg_view__refuse() is
  'INSTEAD OF any write to a view that nobody has the right to write; PostgreSQL looks for the right only if there is such '
  'a trigger.';
