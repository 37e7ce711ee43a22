-- What has exactly this code, of whatever kind.

-- Definer: core.searchable is open to functions of the owner only. Gives ids of the caller's organisation (an EXTERNAL
-- user's partner) and nothing else.
create or replace function core.find_code(code text)
returns table (entity text, id uuid)
language sql
stable
parallel safe
security definer
rows 2
set search_path = pg_catalog, pg_temp
begin atomic
  select s.entity, s.id
  from core.search_entity as e
  inner join core.searchable as s
    on s.org_id = (select core.org_id())
    and s.entity = e.entity
    and s.code = core.search_code(find_code.code)
  where (select core.partner_id()) is null or s.partner_id = (select core.partner_id())
  union
  select e.entity, r.entity_id
  from core.search_entity as e
  cross join unnest(e.number_types) as t (document_type)
  inner join core.number_register as r
    on r.org_id = (select core.org_id())
    and r.document_type = t.document_type
    and r.number = upper(btrim(find_code.code));
end;

comment on function core.find_code(text) is
  'Entities and ids in the caller''s organisation that have this code, this barcode or this number. The caller of this function '
  'shows only what its own caller may see.';

grant execute on function core.find_code(text) to member, partner, superadmin, migrator;
