-- Trigger of every table with a status: only what core.transition lists may happen, by whom it says.

-- lint: allow error_by_code: a step that names a column which is not there is a mistake in sql/reference
create or replace function core.tg_row__guard_status()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_from text := 'NEW';
  v_transition core.transition;
  v_row jsonb;
  v_column text;
  v_is_granted boolean;
  v_step text;
  v_ignored text; -- an assignment takes less than a statement
begin
  if tg_op = 'UPDATE' then
    if new.status = old.status then
      return new;
    end if;
    v_from := old.status;
  end if;
  -- A step that asks nothing of the row was allowed to these claims in this transaction: believed where
  -- core.is_granted_already believes, so that the second row of many asks little.
  v_step := concat_ws(
    ' ', tg_argv[0], v_from, new.status, current_setting('role'), core.org_id(),
    nullif(current_setting('request.jwt.claims', true), '')
  );
  if current_setting('erpgres.allowed_step', true) = v_step and session_user in ('authenticator', 'migrator', 'worker') then
    return new;
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
  v_is_granted := v_transition.permission is null or core.is_granted_already(v_transition.permission);
  if not v_is_granted or v_transition.other_than <> '{}' or v_transition.needs_signature then
    -- Who takes a step needs the right where the row was, not where he puts it.
    v_row := case tg_op when 'UPDATE' then to_jsonb(old) else to_jsonb(new) end;
  elsif not v_transition.needs_reason then
    v_ignored := set_config('erpgres.allowed_step', v_step, true);
  end if;
  if not v_is_granted then
    perform core.require_permission(v_transition.permission, (v_row ->> v_transition.unit_column)::uuid);
  end if;
  if v_transition.needs_reason and coalesce(btrim(to_jsonb(new) ->> 'status_reason'), '') = '' then
    perform core.raise_error(
      'core.reason_missing', jsonb_build_object('entity', tg_argv[0], 'action', v_transition.action)
    );
  end if;
  foreach v_column in array coalesce(v_transition.other_than, '{}') loop
    if not v_row ? v_column then
      raise exception 'core.transition: % has no column %', tg_argv[0], v_column;
    end if;
    -- Of one user or of several; without a user (tools) nobody is the same.
    if v_row -> v_column ? core.user_id()::text then
      perform core.raise_error(
        'core.same_person', jsonb_build_object('entity', tg_argv[0], 'action', v_transition.action, 'column', v_column)
      );
    end if;
  end loop;
  if v_transition.needs_signature and core.user_id() is not null then
    if not core.is_signed_now((v_row ->> 'id')::uuid) then
      perform core.raise_error(
        'core.signature_missing', jsonb_build_object('entity', tg_argv[0], 'action', v_transition.action)
      );
    end if;
  end if;
  return new;
end
$$;

comment on function core.tg_row__guard_status() is
  'BEFORE INSERT OR UPDATE OF status, argument: the entity in core.transition. Raises core.transition_refused '
  '(409), core.permission_missing, core.same_person (403), core.reason_missing, core.signature_missing (422). The tools '
  'without a user need no permission and no signature and are nobody who took an earlier step, but keep to the list.';
