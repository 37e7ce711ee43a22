-- domain: core
-- why: gapless document numbers and the settings of an organisation
-- locks: none (new objects)
-- breaking: no

create table core.number_series (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  document_type text not null,
  unit_id uuid,
  pattern text not null,
  reset text not null default 'YEAR',
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint number_series_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint one_series_per_type_and_unit unique nulls not distinct (org_id, document_type, unit_id),
  constraint document_type_is_domain_and_type check (document_type ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint reset_known check (reset in ('YEAR', 'NEVER')),
  constraint pattern_holds_the_number check (pattern ~ '\{number(:[0-9]{1,2})?\}'),
  constraint yearly_pattern_holds_the_year check (reset <> 'YEAR' or pattern like '%{year}%')
);

comment on table core.number_series is
  'How the numbers of a document type look. pattern holds {number} or {number:6} (six digits, zeros first), '
  '{year} and {unit} (code of the unit); reset says whether counting begins anew each year.';

create index number_series_unit_id_idx on core.number_series (org_id, unit_id);

create table core.number_counter (
  org_id uuid not null,
  series_id uuid not null,
  period text not null,
  last_number bigint not null,
  constraint number_counter_pkey primary key (org_id, series_id, period),
  constraint series_exists foreign key (org_id, series_id) references core.number_series (org_id, id),
  constraint last_number_not_negative check (last_number >= 0)
);

comment on table core.number_counter is
  'The last number given per series and period. The row is locked until the transaction that took a number ends, so that '
  'numbers have no gaps; other series are not held up.';

create table core.number_register (
  org_id uuid not null,
  document_type text not null,
  number text not null,
  entity_id uuid not null,
  created_at timestamptz not null default now(),
  constraint number_register_pkey primary key (org_id, document_type, number),
  constraint one_number_per_document unique (org_id, document_type, entity_id)
);

comment on table core.number_register is
  'Every number given and the document that has it: unique across the partitions of the documents, and the way to find one';

create table core.setting (
  org_id uuid not null default core.org_id(),
  code text not null,
  value jsonb not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint setting_pkey primary key (org_id, code),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint setting_defined foreign key (code) references core.setting_definition (code)
);

comment on table core.setting is 'Settings that an organisation changed; the others have their default';

create index setting_code_idx on core.setting (code);

alter table core.number_series enable row level security;
alter table core.number_series force row level security;
alter table core.number_counter enable row level security;
alter table core.number_counter force row level security;
alter table core.number_register enable row level security;
alter table core.number_register force row level security;
alter table core.setting enable row level security;
alter table core.setting force row level security;
