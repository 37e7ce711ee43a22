-- path: migrations/V9001__core_case.sql
create type core.mood as enum ('GOOD', 'BAD');
