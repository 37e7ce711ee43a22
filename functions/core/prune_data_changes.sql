-- Removes what tags no longer need of the notes about changes.

-- A snapshot that sees the row gone sees the newer one too: that had ended when this statement began.
create or replace function core.prune_data_changes()
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_rows bigint;
begin
  delete from core.data_change as d
  using (
    select n.org_id, n.source, max(n.xid) as xid
    from core.data_change as n
    group by n.org_id, n.source
    having count(*) > 1
  ) as newest
  where d.org_id = newest.org_id
    and d.source = newest.source
    and d.xid < newest.xid;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;

comment on function core.prune_data_changes() is
  'Delete the rows of core.data_change for which a newer one of the same organisation and source is visible; returns how many';

grant execute on function core.prune_data_changes() to worker, migrator;
