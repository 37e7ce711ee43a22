-- Whether others agreed to a record, and the end of the asking.

-- Definer: a step that asks need not be taken by who may read approvals.
create or replace function core.approval_is_granted(entity text, entity_id uuid)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (
      select a.status = 'APPROVED'
      from core.approval as a
      where a.org_id = core.org_id()
        and a.entity = approval_is_granted.entity
        and a.entity_id = approval_is_granted.entity_id
      order by a.round desc
      limit 1
    ),
    false
  );
end
$$;

comment on function core.approval_is_granted(text, uuid) is
  'Whether the newest approval of a record is APPROVED; false when none was asked for';

grant execute on function core.approval_is_granted(text, uuid) to partner, member, superadmin, migrator;

-- Definer: as core.request_approval.
create or replace function core.withdraw_approval(entity text, entity_id uuid)
returns core.approval
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_approval core.approval;
begin
  update core.approval as a
  set status = 'WITHDRAWN', ended_at = now()
  where a.org_id = core.org_id()
    and a.entity = withdraw_approval.entity
    and a.entity_id = withdraw_approval.entity_id
    and a.status = 'PENDING'
  returning a.* into v_approval;
  return v_approval;
end
$$;

comment on function core.withdraw_approval(text, uuid) is
  'End the open approval of a record without a decision, because the record was withdrawn or is to be changed; returns it, '
  'null if none was open. The caller has checked who may. The function of core.approval_entity is not called.';

grant execute on function core.withdraw_approval(text, uuid) to partner, member, superadmin, migrator;
