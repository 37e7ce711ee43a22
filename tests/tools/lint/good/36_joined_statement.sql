-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count(name text)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  execute format('analyze %I', name);
  return 1;
end
$$;

comment on function core.gadget_count(name text) is 'How many there are';
