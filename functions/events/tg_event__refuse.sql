-- Triggers of events and seals: whatever was written stays as it is, for the owner of the table too.

create or replace function events.tg_event__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('events.immutable', jsonb_build_object('operation', tg_op));
  return null;
end
$$;

comment on function events.tg_event__refuse() is 'Refuses UPDATE, DELETE and TRUNCATE of events, seals and the list of archives.';

-- For the statement, so that one which finds no row is refused as well; for the row, which partitions inherit.
create or replace trigger refuse_change
before update or delete or truncate on events.event
for each statement
execute function events.tg_event__refuse();

create or replace trigger refuse_row_change
before update or delete on events.event
for each row
execute function events.tg_event__refuse();

create or replace trigger refuse_change
before update or delete or truncate on events.seal
for each statement
execute function events.tg_event__refuse();

create or replace trigger refuse_change
before update or delete or truncate on events.seal_run
for each statement
execute function events.tg_event__refuse();

create or replace trigger refuse_change
before update or delete or truncate on events.archive
for each statement
execute function events.tg_event__refuse();

create or replace trigger touch before update on events.consumer
for each row execute function core.tg_row__touch();
