-- path: migrations/V9001__core_case.sql
create table core.careless (id uuid primary key, price numeric check (price > 0));
