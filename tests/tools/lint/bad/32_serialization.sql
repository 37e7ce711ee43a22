-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: no_serialization

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count()
returns integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  raise sqlstate '40001'; -- lint: allow error_by_code: the other rule is meant
end
$$;

comment on function core.gadget_count() is 'How many there are';
