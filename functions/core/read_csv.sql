-- CSV text as rows, for small files that come through the API.

create or replace function core.read_csv(csv text, delimiter text default null)
returns table (line integer, cells text[])
language plpgsql
stable
parallel safe
as $$
declare
  v_csv text := ltrim(read_csv.csv, U&'\FEFF');
  v_delimiter text := read_csv.delimiter;
  v_head text := regexp_replace(split_part(v_csv, E'\n', 1), '"[^"]*"', '', 'g');
begin
  if v_delimiter is null then
    v_delimiter := (
      select d.mark
      from unnest(array[',', ';', E'\t', '|']) with ordinality as d (mark, place)
      order by length(v_head) - length(replace(v_head, d.mark, '')) desc, d.place
      limit 1
    );
  elsif v_delimiter not in (',', ';', E'\t', '|') then
    perform core.raise_error('core.import_option', '{"option": "delimiter", "wanted": "a comma, semicolon, tab or bar"}');
  end if;
  return query
  with fields as (
    select
      m.place,
      case
        when m.field[1] like '"%"' and length(m.field[1]) > 1
          then replace(substr(m.field[1], 2, length(m.field[1]) - 2), '""', '"')
        else m.field[1]
      end as value,
      m.field[2] <> v_delimiter as is_last,
      regexp_count(m.field[1] || m.field[2], E'\r\n|\r|\n') as breaks
    from regexp_matches(
      v_csv, format('("(?:[^"]|"")*"|[^%1$s\r\n]*)(%1$s|\r\n|\r|\n|$)', case v_delimiter when '|' then '[|]' else v_delimiter end),
      'g'
    ) with ordinality as m (field, place)
  ),
  records as (
    select
      f.place,
      f.value,
      count(*) filter (where f.is_last) over before as record,
      coalesce(sum(f.breaks) over before, 0) as breaks
    from fields as f
    window before as (order by f.place rows between unbounded preceding and 1 preceding)
  )
  select (min(r.breaks) + 1)::integer, array_agg(r.value order by r.place)
  from records as r
  group by r.record
  having bool_or(r.value <> '')
  order by r.record;
end
$$;

comment on function core.read_csv(text, text) is
  'The records of a CSV text that are not blank: the line that each begins in, and its cells. Fields may be quoted and then '
  'hold line breaks; delimiter is found in the first line unless it is given';

grant execute on function core.read_csv(text, text) to member, superadmin, migrator;
