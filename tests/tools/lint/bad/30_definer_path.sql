-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: definer_search_path

-- lint: allow right_tree: the default of a column stands on it
-- Definer: whoever asks may not read them all.
create function core.gadget_count()
returns integer
language sql
stable
parallel safe
security definer
set search_path = public
return 1;

comment on function core.gadget_count() is 'How many there are';
