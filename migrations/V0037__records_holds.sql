-- domain: records
-- why: what nobody may destroy, and what is left of what was destroyed: legal holds and certificates of destruction
-- locks: none (new objects; share row exclusive for an instant on the tables that they refer to)
-- breaking: no

-- A function that returns it answers Accept: text/html.
create domain core."text/html" as text;

comment on domain core."text/html" is 'A page as HTML: what a function of the API answers to Accept: text/html';

create table records.legal_hold (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  hold_no text not null,
  matter text not null,
  reason text not null,
  status text not null default 'ACTIVE',
  status_reason text,
  placed_by uuid default core.user_id(),
  placed_at timestamptz not null default now(),
  released_by uuid,
  released_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint legal_hold_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint hold_no_unique unique (org_id, hold_no),
  constraint matter_not_blank check (btrim(matter) <> ''),
  constraint reason_says_something check (length(btrim(reason)) >= 10),
  constraint legal_hold_status_known check (status in ('ACTIVE', 'RELEASED')),
  constraint released_when_released check ((status = 'RELEASED') = (released_at is not null))
);

comment on table records.legal_hold is
  'That crates and documents must be kept for a matter, whatever their dates say. Released ones stay for ever.';
comment on column records.legal_hold.matter is 'The case, audit or inquiry';
comment on column records.legal_hold.status is 'ACTIVE or RELEASED';
comment on column records.legal_hold.status_reason is 'Why it was released';

create index legal_hold_status_idx on records.legal_hold (org_id, status, id);

create table records.legal_hold_item (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  hold_id uuid not null,
  crate_id uuid,
  document_id uuid,
  is_active boolean not null default true,
  added_at timestamptz not null default now(),
  added_by uuid default core.user_id(),
  constraint legal_hold_item_pkey primary key (org_id, id),
  constraint hold_exists foreign key (org_id, hold_id) references records.legal_hold (org_id, id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references records.document (org_id, id),
  constraint crate_or_document check (num_nonnulls(crate_id, document_id) = 1),
  constraint held_once_by_a_hold unique nulls not distinct (org_id, hold_id, crate_id, document_id)
);

comment on table records.legal_hold_item is
  'What a legal hold covers: a crate with all that is in it, or a document wherever it lies';
comment on column records.legal_hold_item.is_active is 'Until the hold is released; kept by a trigger';

create index legal_hold_item_crate_idx on records.legal_hold_item (org_id, crate_id) where crate_id is not null;
create index legal_hold_item_document_idx on records.legal_hold_item (org_id, document_id) where document_id is not null;

create table records.destruction_certificate (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  certificate_no text not null,
  request_id uuid not null,
  crate_id uuid not null,
  unit_id uuid not null,
  method text not null,
  vendor text,
  executed_by uuid not null,
  executor_signature_id uuid not null,
  witness_id uuid not null,
  witness_signature_id uuid not null,
  executed_at timestamptz not null,
  document_count integer not null,
  manifest jsonb not null,
  sha256 text not null,
  constraint destruction_certificate_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint executor_signature_exists foreign key (org_id, executor_signature_id) references core.signature (org_id, id),
  constraint witness_signature_exists foreign key (org_id, witness_signature_id) references core.signature (org_id, id),
  constraint certificate_no_unique unique (org_id, certificate_no),
  constraint one_certificate_per_request unique (org_id, request_id),
  constraint one_certificate_per_crate unique (org_id, crate_id),
  constraint one_certificate_per_executor_signature unique (org_id, executor_signature_id),
  constraint one_certificate_per_witness_signature unique (org_id, witness_signature_id),
  constraint method_known check (method in ('SHRED', 'INCINERATE', 'PULP')),
  constraint witness_is_another_person check (witness_id <> executed_by),
  constraint document_count_not_negative check (document_count >= 0),
  constraint sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$')
);

comment on table records.destruction_certificate is
  'That a crate was destroyed: how, by whom, before whose eyes, and everything that was in it. Append-only for everybody.';
comment on column records.destruction_certificate.method is 'SHRED, INCINERATE or PULP';
comment on column records.destruction_certificate.vendor is 'Who did the work, if it was not the organisation itself';
comment on column records.destruction_certificate.manifest is
  'Crate, documents, request, approvals and signatures at that moment';
comment on column records.destruction_certificate.sha256 is
  'SHA-256 of records.certificate_text: the number, what was done, and the manifest';

create index destruction_certificate_unit_idx on records.destruction_certificate (org_id, unit_id, id);

alter table records.legal_hold enable row level security;
alter table records.legal_hold force row level security;
alter table records.legal_hold_item enable row level security;
alter table records.legal_hold_item force row level security;
alter table records.destruction_certificate enable row level security;
alter table records.destruction_certificate force row level security;
