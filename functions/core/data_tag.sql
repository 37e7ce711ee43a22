-- Which version of data a snapshot sees.

-- Stable: all its statements see the snapshot of the statement that calls it, as they must. One for each source takes less
-- than one for all of them, since most views have one to three.
create or replace function core.data_tag(sources text[], org_id uuid, shared_sources text[] default '{}')
returns text
language plpgsql
stable
parallel safe
as $$
declare
  v_source text;
  v_xid xid8;
  v_last xid8;
  v_tag text := '';
  v_snapshot pg_snapshot;
begin
  foreach v_source in array data_tag.sources loop
    select d.xid
    into v_xid
    from core.data_change as d
    where d.org_id = case
        when v_source = any (data_tag.shared_sources) then '00000000-0000-0000-0000-000000000000'
        else data_tag.org_id
      end
      and d.source = v_source
    order by d.xid desc
    limit 1;
    v_tag := v_tag || ' ' || coalesce(v_xid::text, '');
    v_last := greatest(v_last, v_xid);
  end loop;
  if v_last is null or v_last < pg_snapshot_xmin(pg_current_snapshot()) then
    return v_tag; -- all up to the newest have ended
  end if;
  v_snapshot := pg_current_snapshot();
  if v_last >= pg_snapshot_xmax(v_snapshot) or pg_is_in_recovery() then
    return null;
  end if;
  -- Of those that began before the newest and have not ended the snapshot sees nothing, later ones will.
  return concat(
    v_tag, ' ', (select array_agg(x.xid) from pg_snapshot_xip(v_snapshot) as x (xid) where x.xid < v_last)
  );
end
$$;

comment on function core.data_tag(text[], uuid, text[]) is
  'Which version of the sources (core.data_change) of an organisation the statement sees: two equal answers mean that the '
  'same transactions are visible, whatever the order in which they committed. shared_sources: those that belong to no '
  'organisation. Null when nothing can be said: on a standby while writers are under way, or where data come from a server '
  'whose count of transactions is ahead.';

grant execute on function core.data_tag(text[], uuid, text[]) to relay, migrator;
