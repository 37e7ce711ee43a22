-- What was approved leaves the store.

create or replace function api.records_withdrawal_issue(
  id uuid,
  to_user_id uuid,
  note text default null,
  version integer default null
)
returns api.records_requests
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version, 'WITHDRAWAL');
  perform core.require_permission('records.withdrawal.issue', v_request.unit_id);
  perform records.require_status(v_request, 'APPROVED');
  perform records.check_holder(to_user_id);
  v_crate := records.lock_crate(v_request.crate_id);

  if v_request.is_full then
    -- What it holds goes with it, and has to come back.
    perform records.list_documents(
      v_request,
      array(
        select e.document_id
        from records.crate_document as e
        where e.org_id = v_crate.org_id
          and e.crate_id = v_crate.id
          and e.removed_at is null
      )
    );
    update records.crate as c
    set status = 'WITHDRAWN'
    where c.org_id = v_crate.org_id
      and c.id = v_crate.id;
    perform records.give_custody(v_crate.id, null, to_user_id, 'ISSUED', v_request.id, note);
  end if;
  update records.request_document as d
  set issued_at = now()
  where d.org_id = v_request.org_id
    and d.request_id = v_request.id;
  update records.request as r
  set
    status = 'ISSUED',
    crate_status = v_crate.status,
    document_count = (
      select count(*) from records.request_document as d where d.org_id = r.org_id and d.request_id = r.id
    ),
    issued_to = to_user_id,
    issued_by = core.user_id(),
    issued_at = now()
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_withdrawal_issue(uuid, uuid, text, integer) is
  'Give out what an approved withdrawal asks for
To a member of the organisation. A whole crate is WITHDRAWN and in his custody; of a part only the documents leave. Needs
records.withdrawal.issue in the unit.';

grant execute on function api.records_withdrawal_issue(uuid, uuid, text, integer) to member, superadmin, migrator;
