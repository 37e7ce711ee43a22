-- domain: core
-- why: a domain says once how the numbers of its documents look; new organisations take that over
-- locks: ACCESS EXCLUSIVE on core.number_series, instant (no rows yet)
-- breaking: no

create table core.number_pattern (
  document_type text constraint number_pattern_pkey primary key,
  pattern text not null,
  reset text not null default 'YEAR',
  description text not null,
  constraint document_type_is_domain_and_type check (document_type ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint reset_known check (reset in ('YEAR', 'NEVER')),
  constraint pattern_holds_the_number check (pattern ~ '\{number(:[0-9]{1,2})?\}'),
  constraint pattern_holds_no_other_braces check (
    regexp_replace(pattern, '\{(number(:[0-9]{1,2})?|year|unit)\}', '', 'g') !~ '[{}]'
  ),
  constraint yearly_pattern_holds_the_year check (reset <> 'YEAR' or pattern like '%{year}%')
);

comment on table core.number_pattern is
  'Every document type that is numbered, and how its numbers look until an organisation changes its number series';
comment on column core.number_pattern.pattern is 'As in core.number_series';

alter table core.number_series
  add constraint pattern_holds_no_other_braces check (
    regexp_replace(pattern, '\{(number(:[0-9]{1,2})?|year|unit)\}', '', 'g') !~ '[{}]'
  ),
  add constraint series_of_a_unit_shows_the_unit check (unit_id is null or pattern like '%{unit}%');
