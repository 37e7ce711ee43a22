-- Trigger of every table with a status: only what core.transition lists may happen, by whom it says.

create or replace function core.tg_row__guard_status()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_from text := 'NEW';
  v_transition core.transition;
begin
  if tg_op = 'UPDATE' then
    if new.status = old.status then
      return new;
    end if;
    v_from := old.status;
  end if;
  select *
  into v_transition
  from core.transition as t
  where t.entity = tg_argv[0] and t.from_status = v_from and t.to_status = new.status;
  if not found then
    perform core.raise_error(
      'core.transition_refused',
      jsonb_build_object('entity', tg_argv[0], 'from_status', v_from, 'to_status', new.status)
    );
  end if;
  if v_transition.permission is not null then
    perform core.require_permission(v_transition.permission);
  end if;
  if v_transition.needs_reason and coalesce(btrim(to_jsonb(new) ->> 'status_reason'), '') = '' then
    perform core.raise_error(
      'core.reason_missing', jsonb_build_object('entity', tg_argv[0], 'action', v_transition.action)
    );
  end if;
  return new;
end
$$;

comment on function core.tg_row__guard_status() is
  'BEFORE INSERT OR UPDATE OF status, argument: the entity in core.transition. Raises core.transition_refused '
  '(409), core.permission_missing (403), core.reason_missing (422). The tools without a user need no permission, '
  'but keep to the list.';
