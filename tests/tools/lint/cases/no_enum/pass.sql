-- path: migrations/V9001__core_case.sql
create table core.careless (
  mood text,
  constraint mood_known check (mood in ('GOOD', 'BAD'))
);
