-- domain: core
-- why: things are shown
-- locks: none (new objects)
-- breaking: no
-- expect: api_documented, view_security_invoker

-- lint: allow right_tree: a case of its own
create view api.gadgets as
select i.id from core.item as i;
