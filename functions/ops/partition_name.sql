-- How partitions are called.

create or replace function ops.partition_name(table_name text, period text, at timestamptz)
returns text
language sql
immutable
parallel safe
return partition_name.table_name || '_' || to_char(
  partition_name.at at time zone 'UTC',
  case partition_name.period
    when 'quarter' then 'FMYYYY"q"Q'
    when 'month' then 'FMYYYY"m"MM'
    when 'day' then 'FMYYYY"d"MMDD'
  end
);

comment on function ops.partition_name(text, text, timestamptz) is
  'schema.name of the partition that takes the rows of a moment: <table>_2026q4 (quarter), <table>_2026m11 (month) or '
  '<table>_2026d1122 (day), in UTC';

grant execute on function ops.partition_name(text, text, timestamptz) to migrator, worker;
