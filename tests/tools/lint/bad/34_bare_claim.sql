-- domain: core
-- why: a default for a column
-- locks: none (new objects)
-- breaking: no
-- expect: claims_with_nullif

-- lint: allow right_tree: the default of a column stands on it
create function core.gadget_count()
returns integer
language sql
stable
parallel safe
return (current_setting('request.jwt.claims', true)::jsonb ->> 'n')::integer;

comment on function core.gadget_count() is 'How many there are';
