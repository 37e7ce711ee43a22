-- Asks others to agree to a record.

create or replace function core.approval_steps_for(entity text, kind text, amount numeric, currency text)
returns table (step_no integer, permission text, needs_signature boolean)
language plpgsql
stable
parallel safe
as $$
declare
  v_org_id uuid := core.org_id();
  v_is_default boolean := not exists (
    select from core.approval_policy as p where p.org_id = v_org_id and p.entity = approval_steps_for.entity
  );
begin
  return query
  with policy as (
    select p.step_no, p.kind, p.amount_from, p.currency, p.permission, p.needs_signature
    from core.approval_policy as p
    where p.org_id = v_org_id and p.entity = approval_steps_for.entity
    union all
    select d.step_no, nullif(d.kind, '*'), d.amount_from, null, d.permission, d.needs_signature
    from core.approval_default as d
    where v_is_default and d.entity = approval_steps_for.entity
  )
  select distinct on (p.step_no) p.step_no, p.permission, p.needs_signature
  from policy as p
  where (p.kind is null or p.kind = approval_steps_for.kind)
    -- What cannot be compared is asked for: an amount that is not known, or one of no currency.
    and case
      when p.amount_from = 0 or approval_steps_for.amount is null then true
      when p.currency is null then abs(approval_steps_for.amount) >= p.amount_from
      when approval_steps_for.currency is null then true
      else core.exchange(abs(approval_steps_for.amount), approval_steps_for.currency, p.currency) >= p.amount_from
    end
  order by p.step_no, p.kind nulls last, p.amount_from desc;
end
$$;

comment on function core.approval_steps_for(text, text, numeric, text) is
  'The steps that the policies of the organisation ask for; the defaults, if it has none for this entity. Raises '
  'core.no_exchange_rate (422) for an amount that cannot be compared with a limit in another currency.';

-- Definer: approvals are written by these functions only. The right to ask is that of the step which the calling function
-- takes; this one is not in the API.
create or replace function core.request_approval(
  entity text,
  entity_id uuid,
  kind text default null,
  amount numeric default null,
  currency text default null,
  unit_id uuid default null,
  requested_by uuid default core.user_id()
)
returns core.approval
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org_id uuid := core.org_id();
  v_approval core.approval;
begin
  if v_org_id is null then
    perform core.raise_error('core.organization_missing');
  end if;
  if not exists (select from core.approval_entity as e where e.entity = request_approval.entity) then
    perform core.raise_error('core.approval_entity_unknown', jsonb_build_object('entity', request_approval.entity));
  end if;
  v_approval.id := uuidv7();
  insert into core.approval (
    org_id, id, entity, entity_id, kind, amount, currency, unit_id, requested_by, round, status, step_count, ended_at
  )
  select
    v_org_id, v_approval.id, request_approval.entity, request_approval.entity_id, request_approval.kind,
    request_approval.amount, request_approval.currency, request_approval.unit_id, request_approval.requested_by,
    (
      select coalesce(max(a.round), 0) + 1
      from core.approval as a
      where a.org_id = v_org_id
        and a.entity = request_approval.entity
        and a.entity_id = request_approval.entity_id
    ),
    case when count(*) > 0 then 'PENDING' else 'APPROVED' end,
    count(*),
    case when count(*) = 0 then now() end
  from core.approval_steps_for(
    request_approval.entity, request_approval.kind, request_approval.amount, request_approval.currency
  ) as s
  on conflict do nothing;
  if not found or (
    -- One that is open already, of an earlier round than ours.
    select count(*)
    from core.approval as a
    where a.org_id = v_org_id
      and a.entity = request_approval.entity
      and a.entity_id = request_approval.entity_id
      and a.status = 'PENDING'
      and a.id <> v_approval.id
  ) > 0 then
    perform core.raise_error(
      'core.approval_pending',
      jsonb_build_object('entity', request_approval.entity, 'id', request_approval.entity_id)
    );
  end if;
  insert into core.approval_step (org_id, approval_id, step_no, permission, needs_signature, unit_id)
  select
    v_org_id, v_approval.id, row_number() over (order by s.step_no), s.permission, s.needs_signature,
    request_approval.unit_id
  from core.approval_steps_for(
    request_approval.entity, request_approval.kind, request_approval.amount, request_approval.currency
  ) as s;
  perform core.open_approval_step(v_org_id, v_approval.id);

  select a.* into v_approval from core.approval as a where a.org_id = v_org_id and a.id = v_approval.id;
  return v_approval;
end
$$;

comment on function core.request_approval(text, uuid, text, numeric, text, uuid, uuid) is
  'Ask for approval of a record, with the steps of the policies; the answer is APPROVED at once when they ask for none (the '
  'function of core.approval_entity is not called then). entity as in core.event_entity; unit_id: where the permissions of '
  'the steps must be held. Raises core.approval_pending (409), core.approval_entity_unknown (422).';

grant execute on function core.request_approval(text, uuid, text, numeric, text, uuid, uuid)
to partner, member, superadmin, migrator;

create or replace function core.open_approval_step(org_id uuid, approval_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_approval core.approval;
  v_step core.approval_step;
begin
  select a.*
  into strict v_approval
  from core.approval as a
  where a.org_id = open_approval_step.org_id and a.id = open_approval_step.approval_id;
  select s.*
  into v_step
  from core.approval_step as s
  where s.org_id = v_approval.org_id and s.approval_id = v_approval.id and s.decision is null
  order by s.step_no
  limit 1;
  if found and v_approval.status = 'PENDING' then
    perform events.emit(
      'approval.step_opened', 'approval', v_approval.id,
      jsonb_build_object(
        'entity', v_approval.entity,
        'entity_id', v_approval.entity_id,
        'step_no', v_step.step_no,
        'permission', v_step.permission,
        'other_than', (
          select coalesce(jsonb_agg(u.user_id), '[]')
          from (
            select v_approval.requested_by
            union
            select s.decided_by
            from core.approval_step as s
            where s.org_id = v_approval.org_id and s.approval_id = v_approval.id
          ) as u (user_id)
          where u.user_id is not null
        )
      ),
      entity_version => v_approval.version, unit_id => v_approval.unit_id, org_id => v_approval.org_id
    );
  end if;
end
$$;

comment on function core.open_approval_step(uuid, uuid) is
  'Write the event approval.step_opened, which tells those who may decide the next step that it waits for them';
