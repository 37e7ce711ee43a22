-- What can be searched for: the view that PostgREST exposes.

create view api.search_kinds
with (security_invoker = true) as
select
  e.entity,
  e.description
from core.search_entity as e;

comment on view api.search_kinds is
  E'What can be searched for\n'
  'The kinds that POST /rpc/search takes and gives.';
comment on column api.search_kinds.entity is 'Name of the kind';
comment on column api.search_kinds.description is 'What it is and by what it is found';
