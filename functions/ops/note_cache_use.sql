-- For the relay: adds what the gateway counted.

-- Definer: the relay writes no table.
create or replace function ops.note_cache_use(counts jsonb)
returns void
language sql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  insert into ops.cache_use as u (view_name, hits, misses, not_modified, bypassed)
  select
    c.view_name,
    coalesce(sum(c.count) filter (where c.what = 'h'), 0),
    coalesce(sum(c.count) filter (where c.what = 'm'), 0),
    coalesce(sum(c.count) filter (where c.what = 'n'), 0),
    coalesce(sum(c.count) filter (where c.what = 'b'), 0)
  from (
    select split_part(e.key, ' ', 1) as what, split_part(e.key, ' ', 2) as view_name, e.value::bigint as count
    from jsonb_each_text(note_cache_use.counts) as e
  ) as c
  where exists (select from core.api_source as s where s.view_name = c.view_name)
  group by c.view_name
  order by c.view_name
  on conflict (view_name) do update set
    hits = u.hits + excluded.hits,
    misses = u.misses + excluded.misses,
    not_modified = u.not_modified + excluded.not_modified,
    bypassed = u.bypassed + excluded.bypassed,
    counted_until = excluded.counted_until;
end;

comment on function ops.note_cache_use(jsonb) is
  'Add counts of the gateway to ops.cache_use: {"h items": 12, …}, where h is a hit, m a miss, n an answer 304 and b a request '
  'that went past the cache';

grant execute on function ops.note_cache_use(jsonb) to relay, migrator;
