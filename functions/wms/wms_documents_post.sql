-- Many documents become facts at once.

create or replace function api.wms_documents_post(ids uuid[])
returns setof api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: balances, ledger, numbers and status are written by functions only
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid;
  v_document wms.document;
  v_documents wms.document[];
  v_is_ready boolean := true;
  v_ignored boolean; -- an assignment takes less than a statement
begin
  v_ignored := core.require_permission_once('wms.document.post') is null;
  if coalesce(cardinality(ids), 0) not between 1 and 100 then
    perform core.raise_error('wms.documents_out_of_range', jsonb_build_object('count', coalesce(cardinality(ids), 0)));
  end if;

  v_documents := array(
    select h.document
    from (
      select d as document
      from wms.document as d
      where d.org_id = v_org
        and d.id = any (ids)
      order by d.id
      for no key update
    ) as h
  );
  foreach v_document in array v_documents loop
    v_is_ready := v_is_ready and v_document.status in ('DRAFT', 'RESERVED', 'PICKING', 'PACKED');
  end loop;
  if not v_is_ready or cardinality(v_documents) < cardinality(ids) then
    -- Says what is wrong with the first that cannot be posted; one that is named twice is posted once.
    foreach v_id in array ids loop
      perform wms.lock_document(v_id, null, '{DRAFT,RESERVED,PICKING,PACKED}');
    end loop;
  end if;
  v_ignored := wms.post_documents(v_documents) is null;

  return query
    select d.*
    from api.wms_documents as d
    where d.org_id = v_org
      and d.id = any (ids)
    order by d.id;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_documents_post(uuid[]) is
  'Post up to a hundred drafts at once, all or nothing
For whoever has many: one set of locks, one step of each counter, one commit. The errors are those of wms_document_post, with the id
of the document in the details; wms.documents_out_of_range (422). Needs wms.document.post.';

grant execute on function api.wms_documents_post(uuid[]) to member, superadmin, migrator;
