-- How the gateway's cache does, for monitoring and for whoever runs the installation.

-- Definer: monitoring reads no table.
create or replace function ops.cache_stats()
returns table (
  cache_class text,
  view_name text,
  hits bigint,
  misses bigint,
  not_modified bigint,
  bypassed bigint,
  hit_rate numeric,
  counted_since timestamptz,
  counted_until timestamptz
)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- One row a view, one a class, one for all of them.
  select
    s.cache_class,
    u.view_name,
    sum(u.hits)::bigint,
    sum(u.misses)::bigint,
    sum(u.not_modified)::bigint,
    sum(u.bypassed)::bigint,
    round(sum(u.hits) / nullif(sum(u.hits + u.misses + u.bypassed), 0), 4),
    min(u.counted_since),
    max(u.counted_until)
  from ops.cache_use as u
  join core.api_source as s on s.view_name = u.view_name
  group by grouping sets ((s.cache_class, u.view_name), (s.cache_class), ())
  having count(*) > 0
  order by s.cache_class nulls first, u.view_name nulls first;
end;

comment on function ops.cache_stats() is
  'How often the gateway answered reads from its cache since it was first used: a row for all (cache_class and view_name null), '
  'for each class (view_name null) and for each view. hit_rate: share of the reads that were answered from the cache.';

grant execute on function ops.cache_stats() to monitor, migrator, worker;

-- Definer: a SUPER_ADMIN reads no table of ops either.
create or replace function api.cache_stats()
returns table (
  cache_class text,
  view_name text,
  hits bigint,
  misses bigint,
  not_modified bigint,
  bypassed bigint,
  hit_rate numeric,
  counted_since timestamptz,
  counted_until timestamptz
)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select
    c.cache_class,
    c.view_name,
    c.hits,
    c.misses,
    c.not_modified,
    c.bypassed,
    c.hit_rate,
    c.counted_since,
    c.counted_until
  from ops.cache_stats() as c;
end;

comment on function api.cache_stats() is
  E'Figures of the gateway''s cache\n'
  'Reads of lookup, style and material data: hits, misses, answers 304 and requests that went past the cache, a row for '
  'all, for each class and for each view, with the share of hits. They are of all organisations together, hence for a '
  'SUPER_ADMIN only.';

grant execute on function api.cache_stats() to superadmin;
