-- path: migrations/V9001__core_case.sql
create table core.careless (
  id uuid constraint careless_pkey primary key,
  price numeric not null default 0,
  constraint price_positive check (price > 0)
);
