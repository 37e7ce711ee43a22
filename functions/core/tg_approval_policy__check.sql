-- Trigger of approval policies: they make sense together.

create or replace function core.tg_approval_policy__check()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_row core.approval_policy := case when tg_op = 'DELETE' then old else new end;
  v_one core.approval_policy;
begin
  -- After the statement: what it brings and takes is judged as a whole.
  select p.*
  into v_one
  from core.approval_policy as p
  where p.org_id = v_row.org_id
    and p.entity = v_row.entity
    and p.step_no > 1
    and not exists (
      select
      from core.approval_policy as before
      where before.org_id = p.org_id
        and before.entity = p.entity
        and (before.kind is null or before.kind = p.kind)
        and before.step_no = p.step_no - 1
        and before.amount_from <= p.amount_from
    )
  limit 1;
  if found then
    perform core.raise_error(
      'core.approval_policy_gap',
      jsonb_build_object('step_no', v_one.step_no, 'before', v_one.step_no - 1, 'amount_from', v_one.amount_from)
    );
  end if;
  select p.*
  into v_one
  from core.approval_policy as p
  join core.approval_policy as other
    on other.org_id = p.org_id
    and other.entity = p.entity
    and other.step_no = p.step_no
    and (other.kind is null or p.kind is null or other.kind = p.kind)
    and other.amount_from > 0
    and other.currency is distinct from p.currency
  where p.org_id = v_row.org_id and p.entity = v_row.entity and p.amount_from > 0
  limit 1;
  if found then
    perform core.raise_error('core.approval_policy_currencies', jsonb_build_object('step_no', v_one.step_no));
  end if;
  if exists (
    select
    from core.approval_policy as p
    where p.org_id = v_row.org_id
      and p.entity = v_row.entity
      and p.needs_signature
      and not exists (
        select from core.signature_meaning as m where m.entity = p.entity and m.meaning = 'APPROVE'
      )
  ) then
    perform core.raise_error('core.approval_policy_unsignable', jsonb_build_object('entity', v_row.entity));
  end if;
  return null;
end
$$;

comment on function core.tg_approval_policy__check() is
  'AFTER any change of an approval policy: refuses a step without the one before it, limits of one step in several '
  'currencies, and a signature of what cannot be signed (all 422)';
