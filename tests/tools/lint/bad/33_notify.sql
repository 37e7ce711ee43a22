-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: no_notify

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count()
returns integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  notify gadgets;
  return 1;
end
$$;

comment on function core.gadget_count() is 'How many there are';
