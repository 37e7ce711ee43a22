-- What the count found becomes the truth.

create or replace function api.wms_count_post(id uuid, version integer default null)
returns api.wms_counts
language plpgsql
volatile
parallel unsafe
-- definer: counts, balances and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count wms.count_session;
  v_loss uuid;
  v_lines jsonb;
  v_document wms.document;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.post');
  v_count := wms.lock_count(wms_count_post.id, wms_count_post.version, array['COUNTED']);
  if core.user_id() = any (v_count.counters) then
    perform core.raise_error(
      'core.same_person', jsonb_build_object('entity', 'wms.count_session', 'action', 'post')
    );
  end if;

  v_loss := wms.virtual_place(v_count.org_id, 'LOSS');
  v_lines := (
    select jsonb_agg(
      jsonb_strip_nulls(
        jsonb_build_object(
          'item_id', l.item_id,
          'lot_id', l.lot_id,
          'quantity', abs(l.counted - e.expected_at_count),
          'from_position_id', case when l.counted < e.expected_at_count then l.position_id else v_loss end,
          'to_position_id', case when l.counted < e.expected_at_count then v_loss else l.position_id end
        )
      )
      order by l.id
    )
    from wms.count_line as l
    inner join wms.count_expectation as e
      on e.org_id = l.org_id
      and e.line_id = l.id
    where l.org_id = v_count.org_id
      and l.count_id = v_count.id
      and l.counted <> e.expected_at_count
  );
  if v_lines is not null then
    v_document := wms.post_at_once(
      'COUNT', v_count.warehouse_id, v_count.warehouse_id, v_lines,
      reason => 'Count ' || v_count.number, reference => v_count.number
    );
  end if;

  update wms.count_line as l
  set is_open = false
  where l.org_id = v_count.org_id
    and l.count_id = v_count.id;
  update wms.count_session as c
  set
    status = 'POSTED',
    document_id = v_document.id,
    posted_at = now(),
    posted_by = core.user_id()
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_post(uuid, integer) is
  'Post what a count found
One COUNT document corrects every line by its difference: what was counted less what the ledger said at the moment of
counting, so what moved before or after stays moved. Whoever counted may not post (core.same_person, 403). Refused with
wms.insufficient_stock (422) where less is left meanwhile than is to be taken. Needs wms.count.post.';

grant execute on function api.wms_count_post(uuid, integer) to member, superadmin, migrator;
