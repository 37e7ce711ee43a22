-- The figures of each unit, in one query.

create type api.records_unit_figures as (
  unit_id uuid,
  unit text,
  stored_crates bigint,
  documents bigint,
  withdrawals_out bigint,
  overdue bigint,
  pending bigint,
  requests_this_month bigint,
  destructions_due bigint
);

comment on type api.records_unit_figures is 'What a department or section has in the store, out of it, and to do';

create or replace function api.records_dashboard(days integer default 30)
returns setof api.records_unit_figures
language sql
stable
parallel safe
begin atomic
  select
    f.unit_id,
    records.unit_name(f.unit_id),
    sum(f.stored),
    sum(f.documents),
    sum(f.out),
    sum(f.overdue),
    sum(f.pending),
    sum(f.this_month),
    sum(f.destructions)
  from (
    select
      c.unit_id,
      count(*) filter (where c.status in ('ACTIVE', 'ARCHIVED')) as stored,
      0 as documents,
      0 as out,
      0 as overdue,
      0 as pending,
      0 as this_month,
      count(*) filter (
        where c.status in ('ACTIVE', 'ARCHIVED') and c.destruction_on <= core.today() + records_dashboard.days
      ) as destructions
    from records.crate as c
    where c.org_id = (select core.org_id())
    group by c.unit_id
    union all
    select d.unit_id, 0, count(*), 0, 0, 0, 0, 0
    from records.document as d
    where d.org_id = (select core.org_id())
      and d.status = 'ACTIVE'
    group by d.unit_id
    union all
    select
      r.unit_id,
      0,
      0,
      count(*) filter (where r.status in ('ISSUED', 'PARTIALLY_RETURNED')),
      count(*) filter (where r.status in ('ISSUED', 'PARTIALLY_RETURNED') and r.expected_return_on < core.today()),
      count(*) filter (where r.status = 'PENDING'),
      count(*) filter (
        where r.status <> 'DRAFT'
          and r.requested_at >= date_trunc('month', core.today()) at time zone o.time_zone
      ),
      0
    from records.request as r
    inner join core.organization as o on o.id = r.org_id
    where r.org_id = (select core.org_id())
    group by r.unit_id
  ) as f
  group by f.unit_id
  order by 2;
end;

comment on function api.records_dashboard(integer) is
  'Figures of each unit that the caller sees, in one query
stored_crates (in their place), documents, withdrawals_out, overdue, pending (waiting for an approver), requests_this_month,
destructions_due within so many days (30), overdue ones included.';

grant execute on function api.records_dashboard(integer) to member, superadmin, migrator;
