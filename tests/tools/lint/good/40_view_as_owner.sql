-- domain: core
-- why: things are shown
-- locks: none (new objects)
-- breaking: no

-- lint: allow right_tree: a case of its own
create view api.gadgets with (security_invoker = true) as
select i.id from core.item as i;

comment on view api.gadgets is 'Things';
comment on column api.gadgets.id is 'Id';
