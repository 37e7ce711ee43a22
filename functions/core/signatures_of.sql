-- The signatures of a record.

create or replace function api.signatures_of(entity text, id uuid)
returns setof api.signatures
language plpgsql
stable
parallel safe
-- Ten are an ordinary number; a page has a hundred.
rows 10
as $$
begin
  perform core.require_visible(signatures_of.entity, signatures_of.id);
  return query
  select s.*
  from core.read_signatures(signatures_of.entity, signatures_of.id) as r
  cross join lateral jsonb_populate_record(null::api.signatures, r.signature) as s;
end
$$;

comment on function api.signatures_of(text, uuid) is
  E'The signatures of a record\n'
  'Its signature page: who signed it, in which roles, with which meaning, when; oldest first. Seen by who sees the record. '
  'Errors: core.not_found (404).';

grant execute on function api.signatures_of(text, uuid) to partner, member, superadmin;

-- Definer: who sees a record sees its signatures, though he may not read those of all records.
create or replace function core.read_signatures(entity text, id uuid)
returns table (signature jsonb)
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select to_jsonb(s)
  from api.signatures as s
  where s.org_id = core.org_id() and s.entity = read_signatures.entity and s.entity_id = read_signatures.id
  order by s.id;
end
$$;

comment on function core.read_signatures(text, uuid) is
  'The signatures of a record as the API shows them; the caller has checked who may see it';

grant execute on function core.read_signatures(text, uuid) to partner, member, superadmin;
