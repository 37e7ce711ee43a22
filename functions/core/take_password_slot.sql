-- Bounds how many passwords are checked at once.

create or replace function core.take_password_slot()
returns boolean
language plpgsql
volatile
parallel unsafe
as $$
begin
  for v_slot in 1 .. (core.installation_setting('core.password_slots') #>> '{}')::integer loop
    if pg_try_advisory_xact_lock(hashtext('core.password_slot'), v_slot) then
      return true;
    end if;
  end loop;
  return false;
end
$$;

comment on function core.take_password_slot() is
  'Take one of the slots for checking a password until the transaction ends; false when none is free. A check keeps a '
  'processor busy for a quarter of a second: more at once would take connections and processors from everybody.';
