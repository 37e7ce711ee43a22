-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: right_tree

create function core.gadget_count()
returns integer
language sql
stable
parallel safe
return 1;

comment on function core.gadget_count() is 'How many there are';
