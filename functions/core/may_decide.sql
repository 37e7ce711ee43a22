-- Whether an approval waits for the user.

create or replace function core.may_decide(approval core.approval, step_no integer, permission text)
returns boolean
language plpgsql
stable
parallel safe
as $$
begin
  return may_decide.step_no is not null
    and core.user_id() is distinct from may_decide.approval.requested_by
    and not exists (
      select
      from core.approval_step as s
      where s.org_id = may_decide.approval.org_id
        and s.approval_id = may_decide.approval.id
        and s.decided_by = core.user_id()
    )
    and core.has_permission(may_decide.permission, may_decide.approval.unit_id);
end
$$;

comment on function core.may_decide(core.approval, integer, text) is
  'Whether the user may decide the open step (null: none is open) of an approval: he did not ask for it, decided no other '
  'step, and holds the permission in its unit';

grant execute on function core.may_decide(core.approval, integer, text) to member, superadmin;
