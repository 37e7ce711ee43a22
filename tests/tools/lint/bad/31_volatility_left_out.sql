-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: volatility_stated

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count()
returns integer
language sql
parallel safe
return 1;

comment on function core.gadget_count() is 'How many there are';
