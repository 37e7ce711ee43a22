-- Which version of data a snapshot sees.

-- One statement, because it must be one snapshot that sees the newest transactions and names those still under way.
create or replace function core.data_tag(sources text[], org_id uuid, shared_sources text[] default '{}')
returns text
language plpgsql
stable
parallel safe
as $$
declare
  v_newest xid8 [];
  v_last xid8;
  v_snapshot pg_snapshot;
  v_xmin xid8;
begin
  select array_agg(c.xid), max(c.xid), pg_current_snapshot()
  into v_newest, v_last, v_snapshot
  from unnest(data_tag.sources) as s (source)
  left join lateral (
    select d.xid
    from core.data_change as d
    where d.org_id = case
        when s.source = any (data_tag.shared_sources) then '00000000-0000-0000-0000-000000000000'
        else data_tag.org_id
      end
      and d.source = s.source
    order by d.xid desc
    limit 1
  ) as c on true;
  v_xmin := pg_snapshot_xmin(v_snapshot);
  if v_last is null or v_last < v_xmin then
    return v_newest::text; -- all up to the newest have ended
  elsif v_last >= pg_snapshot_xmax(v_snapshot) or pg_is_in_recovery() then
    return null;
  end if;
  -- Of those that began before the newest and have not ended the snapshot sees nothing, later ones will.
  return v_newest::text || (select array_agg(x.xid) from pg_snapshot_xip(v_snapshot) as x (xid) where x.xid < v_last)::text;
end
$$;

comment on function core.data_tag(text[], uuid, text[]) is
  'Which version of the sources (core.data_change) of an organisation the statement sees: two equal answers mean that the '
  'same transactions are visible, whatever the order in which they committed. shared_sources: those that belong to no '
  'organisation. Null when nothing can be said: on a standby while writers are under way, or where data come from a server '
  'whose count of transactions is ahead.';

grant execute on function core.data_tag(text[], uuid, text[]) to relay, migrator;
