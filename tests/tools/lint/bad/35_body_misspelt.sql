-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: body_parses, syntax

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count()
returns integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  return (select count(*) form core.item where);
end
$$;

comment on function core.gadget_count() is 'How many there are';
