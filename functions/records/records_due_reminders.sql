-- Who is to be reminded of what on a day, and the job that does it once.

create type api.records_due_reminder as (
  kind text,
  request_id uuid,
  crate_id uuid,
  unit_id uuid,
  due_on date,
  days_left integer
);

comment on type api.records_due_reminder is 'A withdrawal that is to come back, or a crate that may be destroyed soon';

create or replace function api.records_due_reminders(on_date date default null)
returns setof api.records_due_reminder
language sql
stable
parallel safe
begin atomic
  select 'RETURN', r.id, r.crate_id, r.unit_id, r.expected_return_on, r.expected_return_on - t.today
  from (select coalesce(records_due_reminders.on_date, core.today()) as today) as t
  inner join records.request as r
    on r.org_id = (select core.org_id())
    and r.status in ('ISSUED', 'PARTIALLY_RETURNED')
    and r.expected_return_on <= t.today + 10
  where r.expected_return_on < t.today
    or r.expected_return_on - t.today in (10, 5, 3, 2, 1)
  union all
  select 'DESTRUCTION', null, c.id, c.unit_id, c.destruction_on, c.destruction_on - t.today
  from (select coalesce(records_due_reminders.on_date, core.today()) as today) as t
  inner join records.crate as c
    on c.org_id = (select core.org_id())
    and c.status in ('ACTIVE', 'ARCHIVED')
    and not c.is_retained
    and c.destruction_on in (t.today + 10, t.today + 1)
  order by 5, 2, 3;
end;

comment on function api.records_due_reminders(date) is
  'What is to be reminded of on a day (today)
Withdrawals 10, 5, 3, 2 and 1 days before they are due and daily when they are overdue, crates 10 and 1 days before they may be
destroyed. Of what the caller sees; records_reminders shows which reminders were made.';

grant execute on function api.records_due_reminders(date) to member, superadmin, migrator;

create or replace function records.remind(on_date date default null)
returns integer
language plpgsql
volatile
parallel unsafe
-- definer: the worker reads no records; the organisation is the one it names
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_day date := coalesce(on_date, core.today());
  v_made integer := 0;
  v_one record;
begin
  for v_one in
    with made as (
      insert into records.reminder (org_id, kind, request_id, crate_id, remind_on, due_on)
      select core.org_id(), d.kind, d.request_id, d.crate_id, v_day, d.due_on
      from api.records_due_reminders(v_day) as d
      on conflict on constraint reminded_once_a_day do nothing
      returning reminder.kind, reminder.request_id, reminder.crate_id, reminder.due_on
    )
    select m.kind, m.request_id, m.crate_id, m.due_on, c.barcode, coalesce(r.unit_id, c.unit_id) as unit_id, r.request_no, r.issued_to
    from made as m
    inner join records.crate as c
      on c.org_id = core.org_id()
      and c.id = m.crate_id
    left join records.request as r
      on r.org_id = c.org_id
      and r.id = m.request_id
  loop
    perform events.emit(
      case
        when v_one.kind = 'DESTRUCTION' then 'records_crate.destruction_due'
        when v_one.due_on < v_day then 'records_request.overdue'
        else 'records_request.return_due'
      end,
      case v_one.kind when 'DESTRUCTION' then 'records_crate' else 'records_request' end,
      coalesce(v_one.request_id, v_one.crate_id),
      jsonb_build_object(
        'barcode', v_one.barcode, 'number', v_one.request_no, 'due_on', v_one.due_on, 'days_left', v_one.due_on - v_day,
        'issued_to', v_one.issued_to
      ),
      unit_id => v_one.unit_id
    );
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$$;

comment on function records.remind(date) is
  'Make the reminders of a day (today) of the organisation that the session acts for, once; returns how many were new.';

grant execute on function records.remind(date) to worker, migrator;

create or replace function records.make_reminders()
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_made bigint := 0;
  v_org_id uuid;
begin
  for v_org_id in select o.id from core.organization as o where o.is_active order by o.id loop
    perform set_config('erpgres.org_id', v_org_id::text, true);
    v_made := v_made + records.remind();
  end loop;
  perform set_config('erpgres.org_id', '', true);
  return v_made;
end
$$;

comment on function records.make_reminders() is
  'Make the reminders of today in every organisation: run each hour, since days begin at different moments; returns how many.';

grant execute on function records.make_reminders() to worker, migrator;
