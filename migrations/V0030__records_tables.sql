-- domain: records
-- why: physical records: retention classes, documents, crates and what is in them, custody, requests with every round and what
--   differed on return; and permissions that nobody has by being an administrator
-- locks: core.permission, access exclusive for an instant (a column with a constant default)
-- breaking: no

alter table core.permission add column is_duty boolean not null default false;

comment on column core.permission.is_duty is
  'A step that a person takes in a part of his own: held only by roles that list it, not by being an administrator or '
  'SUPER_ADMIN';

create table records.retention_class (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  code text not null,
  name text not null,
  years integer,
  counts_from text not null,
  disposal text not null,
  legal_basis text,
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint retention_class_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint retention_class_code_unique unique (org_id, code),
  constraint code_not_blank check (btrim(code) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint counts_from_known check (counts_from in ('CREATED', 'CLOSED', 'EVENT')),
  constraint disposal_known check (disposal in ('DESTROY', 'RETAIN', 'REVIEW', 'TRANSFER')),
  constraint years_in_range check (years between 0 and 500),
  constraint years_unless_retained check ((disposal = 'RETAIN') = (years is null))
);

comment on table records.retention_class is
  'How long documents of a class are kept and what happens then (after MoReq2010: trigger, period, disposal action)';
comment on column records.retention_class.counts_from is
  'What the years count from: CREATED (the date of the document), CLOSED (when its file was closed), EVENT (what the class '
  'names)';
comment on column records.retention_class.disposal is
  'What happens then: DESTROY, REVIEW (somebody decides), TRANSFER (to an archive outside), or RETAIN: kept for good';
comment on column records.retention_class.legal_basis is 'Law, rule or contract that demands it';

create table records.document (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  unit_id uuid not null,
  document_number text not null,
  name text not null,
  kind text not null default 'PHYSICAL',
  description text,
  barcode text,
  retention_class_id uuid,
  dated_on date not null,
  closed_on date,
  event_on date,
  due_on date,
  status text not null default 'ACTIVE',
  status_reason text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint document_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint retention_class_exists foreign key (org_id, retention_class_id) references records.retention_class (org_id, id),
  constraint document_number_unique unique (org_id, document_number),
  constraint document_barcode_unique unique (org_id, barcode),
  constraint document_number_not_blank check (btrim(document_number) <> ''),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint document_kind_known check (kind in ('PHYSICAL', 'DIGITAL')),
  constraint document_status_known check (status in ('ACTIVE', 'DESTROYED')),
  constraint barcode_printable check (barcode ~ '^[!-~]{3,48}$'),
  constraint closed_after_dated check (closed_on >= dated_on)
);

comment on table records.document is
  'A document, or a file of several. It stays for ever: of a destroyed one this row tells that there was one.';
comment on column records.document.unit_id is 'Unit that it belongs to: a department or section';
comment on column records.document.document_number is 'What its unit calls it';
comment on column records.document.kind is 'PHYSICAL, or DIGITAL: a disc or tape';
comment on column records.document.barcode is 'What a scanner reads; optional';
comment on column records.document.dated_on is 'Date of the document';
comment on column records.document.closed_on is 'When its file was closed';
comment on column records.document.event_on is 'When happened what its retention class counts from';
comment on column records.document.due_on is
  'First day on which it may go, by its class; null: none, not known yet, or kept for good. Kept by a trigger';
comment on column records.document.status is 'ACTIVE, or DESTROYED with its crate';

create index document_unit_idx on records.document (org_id, unit_id, id);
create index document_retention_class_idx on records.document (org_id, retention_class_id, id);
create index document_due_on_idx on records.document (org_id, due_on, id) where due_on is not null and status = 'ACTIVE';

create table records.crate (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  barcode text not null,
  unit_id uuid not null,
  bound_for_id uuid,
  status text not null default 'PROPOSED',
  status_reason text,
  is_for_central boolean not null default false,
  is_permanent boolean not null default false,
  minimum_on date,
  is_retained boolean not null,
  destruction_on date,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint crate_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint target_unit_exists foreign key (org_id, bound_for_id) references core.org_unit (org_id, id),
  constraint crate_barcode_unique unique (org_id, barcode),
  constraint crate_status_known check (
    status in ('PROPOSED', 'ACTIVE', 'WITHDRAWN', 'IN_TRANSIT', 'ARCHIVED', 'DESTROYED', 'CANCELLED')
  ),
  constraint crates_in_transit_say_where_to check ((status = 'IN_TRANSIT') = (bound_for_id is not null)),
  constraint retained_or_a_destruction_date check (is_retained = (destruction_on is null)),
  constraint permanent_crates_are_retained check (is_retained or not is_permanent),
  constraint kept_until_the_minimum check (destruction_on >= minimum_on)
);

comment on table records.crate is 'A crate of documents with a barcode; it is stored, withdrawn, moved and destroyed by requests';
comment on column records.crate.barcode is 'UNIT/DEPARTMENT[/SECTION]/YEAR/00001, without gaps in a unit and year';
comment on column records.crate.unit_id is 'Unit that it belongs to: a department or section';
comment on column records.crate.bound_for_id is 'Unit that it is on its way to';
comment on column records.crate.status is
  'PROPOSED (not stored yet), ACTIVE, WITHDRAWN, IN_TRANSIT, ARCHIVED, DESTROYED, CANCELLED (never stored)';
comment on column records.crate.is_for_central is 'Whether Central sees it, and may store it';
comment on column records.crate.is_permanent is 'Kept for good by decision, whatever its documents say';
comment on column records.crate.minimum_on is 'Not destroyed before this day, whatever its documents say';
comment on column records.crate.is_retained is
  'Whether it has no day on which it may be destroyed: by decision, by a class, or because a trigger has not happened yet';
comment on column records.crate.destruction_on is
  'First day on which it may be destroyed: the latest of minimum_on and of its documents';

create index crate_unit_idx on records.crate (org_id, unit_id, id);
create index crate_bound_for_idx on records.crate (org_id, bound_for_id) where bound_for_id is not null;
create index crate_status_idx on records.crate (org_id, status, id);
create index crate_destruction_idx on records.crate (org_id, destruction_on, id)
where status in ('ACTIVE', 'ARCHIVED') and not is_retained;
create index crate_central_idx on records.crate (org_id, id) where is_for_central;

create table records.crate_document (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  crate_id uuid not null,
  document_id uuid not null,
  added_at timestamptz not null default now(),
  added_by uuid default core.user_id(),
  removed_at timestamptz,
  removed_by uuid,
  constraint crate_document_pkey primary key (org_id, id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references records.document (org_id, id),
  constraint removed_after_added check (removed_at >= added_at)
);

comment on table records.crate_document is
  'Which document belongs into which crate, from when to when; also while it is withdrawn';

-- A paper is in one crate at a time.
create unique index document_in_one_crate on records.crate_document (org_id, document_id) where removed_at is null;
create index crate_document_crate_idx on records.crate_document (org_id, crate_id, id);
create index crate_document_document_idx on records.crate_document (org_id, document_id, id);

-- Not partitioned: that a crate has one open request is a constraint, and a unique index over partitions by id cannot say so.
create table records.request (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  request_no text,
  kind text not null,
  status text not null default 'DRAFT',
  status_reason text,
  crate_id uuid not null,
  unit_id uuid not null,
  target_unit_id uuid,
  purpose text,
  is_full boolean,
  document_count integer not null default 0,
  expected_return_on date,
  round integer not null default 1,
  crate_status text,
  requested_by uuid not null default core.user_id(),
  requested_at timestamptz not null default now(),
  approved_by uuid,
  approved_at timestamptz,
  rejected_by uuid,
  rejected_at timestamptz,
  sent_back_by uuid,
  sent_back_at timestamptz,
  cancelled_by uuid,
  cancelled_at timestamptz,
  issued_to uuid,
  issued_by uuid,
  issued_at timestamptz,
  returned_by uuid,
  returned_at timestamptz,
  sent_by uuid,
  sent_at timestamptz,
  completed_by uuid,
  completed_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint request_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint unit_exists foreign key (org_id, unit_id) references core.org_unit (org_id, id),
  constraint target_unit_exists foreign key (org_id, target_unit_id) references core.org_unit (org_id, id),
  constraint requester_is_a_member foreign key (org_id, requested_by) references core.membership (org_id, user_id),
  constraint holder_is_a_member foreign key (org_id, issued_to) references core.membership (org_id, user_id),
  constraint request_kind_known check (kind in ('STORAGE', 'WITHDRAWAL', 'DESTRUCTION', 'TRANSFER')),
  constraint request_status_known check (
    status in (
      'DRAFT', 'PENDING', 'SENT_BACK', 'APPROVED', 'REJECTED', 'CANCELLED', 'ISSUED', 'PARTIALLY_RETURNED', 'RETURNED',
      'IN_TRANSIT', 'COMPLETED'
    )
  ),
  constraint only_withdrawals_are_issued_and_returned check (
    kind = 'WITHDRAWAL' or status not in ('ISSUED', 'PARTIALLY_RETURNED', 'RETURNED')
  ),
  constraint withdrawals_end_by_return check (kind <> 'WITHDRAWAL' or status <> 'COMPLETED'),
  constraint only_transfers_are_in_transit check (kind = 'TRANSFER' or status <> 'IN_TRANSIT'),
  constraint withdrawals_say_when_they_come_back check (kind <> 'WITHDRAWAL' or expected_return_on is not null),
  constraint withdrawals_are_full_or_partial check ((kind = 'WITHDRAWAL') = (is_full is not null)),
  constraint partial_withdrawals_list_documents check (is_full is distinct from false or document_count > 0),
  constraint transfers_have_a_target check ((kind = 'TRANSFER') = (target_unit_id is not null)),
  constraint target_is_another_unit check (target_unit_id <> unit_id or status = 'COMPLETED'),
  constraint document_count_not_negative check (document_count >= 0),
  constraint round_positive check (round > 0),
  constraint number_from_submission_on check (
    case status when 'DRAFT' then request_no is null when 'CANCELLED' then true else request_no is not null end
  ),
  constraint approver_is_not_the_requester check (approved_by <> requested_by),
  constraint approved_before_it_is_carried_out check (
    status not in ('APPROVED', 'ISSUED', 'PARTIALLY_RETURNED', 'RETURNED', 'IN_TRANSIT', 'COMPLETED')
    or approved_at is not null
  ),
  constraint issued_withdrawals_say_to_whom check (
    (status not in ('ISSUED', 'PARTIALLY_RETURNED', 'RETURNED') or issued_at is not null)
    and (issued_at is null) = (issued_to is null)
  ),
  constraint returned_withdrawals_say_when check ((status = 'RETURNED') = (returned_at is not null)),
  constraint completed_requests_say_when check ((status = 'COMPLETED') = (completed_at is not null)),
  constraint transfers_in_transit_were_sent check (
    sent_at is not null or kind <> 'TRANSFER' or status not in ('IN_TRANSIT', 'COMPLETED')
  )
);

comment on table records.request is
  'What is asked for a crate: to store it, to withdraw it or some of its documents, to destroy it, to transfer it to another '
  'unit. Approved by somebody else, carried out by the store.';
comment on column records.request.request_no is 'Given when it is submitted, without gaps';
comment on column records.request.kind is 'STORAGE, WITHDRAWAL, DESTRUCTION or TRANSFER';
comment on column records.request.status is
  'DRAFT, PENDING, SENT_BACK, APPROVED, REJECTED, CANCELLED; then, by kind, ISSUED, PARTIALLY_RETURNED, RETURNED, IN_TRANSIT, '
  'COMPLETED';
comment on column records.request.status_reason is 'Why it has its present status';
comment on column records.request.unit_id is 'Unit of the crate when it was asked';
comment on column records.request.target_unit_id is 'Where a transfer goes';
comment on column records.request.is_full is 'Of a withdrawal: the whole crate, or the documents that it lists';
comment on column records.request.document_count is 'How many documents it lists';
comment on column records.request.round is 'Counts up each time it is submitted again';
comment on column records.request.crate_status is 'What the crate was when it was withdrawn or sent, to be that again';
comment on column records.request.requested_at is 'When it was submitted first; of a draft, when it was made';
comment on column records.request.issued_to is 'Who took what was withdrawn';

-- Whoever gets here first has the crate until the request ends.
create unique index one_open_request_per_crate on records.request (org_id, crate_id)
where status in ('PENDING', 'SENT_BACK', 'APPROVED', 'ISSUED', 'PARTIALLY_RETURNED', 'IN_TRANSIT');
create unique index request_no_unique on records.request (org_id, request_no);
create index request_crate_idx on records.request (org_id, crate_id, id);
create index request_unit_idx on records.request (org_id, unit_id, id);
create index request_target_unit_idx on records.request (org_id, target_unit_id) where target_unit_id is not null;
create index request_inbox_idx on records.request (org_id, unit_id, requested_at, id) where status = 'PENDING';
create index request_kind_idx on records.request (org_id, kind, status, requested_at desc, id desc);
create index request_overdue_idx on records.request (org_id, expected_return_on, id)
where status in ('ISSUED', 'PARTIALLY_RETURNED');
create index request_requested_by_idx on records.request (org_id, requested_by, requested_at desc, id desc);
create index request_issued_to_idx on records.request (org_id, issued_to) where issued_to is not null;

create table records.request_document (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  request_id uuid not null,
  document_id uuid not null,
  issued_at timestamptz,
  returned_at timestamptz,
  returned_by uuid,
  missing_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint request_document_pkey primary key (org_id, id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references records.document (org_id, id),
  constraint document_once_in_a_request unique (org_id, request_id, document_id),
  constraint returned_after_it_was_issued check (returned_at >= issued_at),
  constraint returned_or_missing check (returned_at is null or missing_at is null)
);

comment on table records.request_document is
  'Documents that a withdrawal takes out: those that it lists, or all of the crate. One is out from issued_at until it is '
  'returned or reported missing.';

create index request_document_document_idx on records.request_document (org_id, document_id, id);
create index request_document_out_idx on records.request_document (org_id, document_id)
where issued_at is not null and returned_at is null and missing_at is null;

create table records.custody (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  crate_id uuid not null,
  location_id uuid,
  holder_id uuid,
  during tstzrange not null,
  reason text not null,
  request_id uuid,
  note text,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint custody_pkey primary key (org_id, id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint location_exists foreign key (org_id, location_id) references core.location (org_id, id),
  constraint holder_is_a_member foreign key (org_id, holder_id) references core.membership (org_id, user_id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint custody_cannot_overlap unique (org_id, crate_id, during without overlaps),
  constraint at_a_place_or_with_a_person check (num_nonnulls(location_id, holder_id) = 1),
  constraint custody_begins check (not lower_inf(during) and lower_inc(during) and not upper_inc(during)),
  constraint custody_reason_known check (
    reason in ('STORED', 'ISSUED', 'RETURNED', 'SENT', 'RECEIVED', 'RELOCATED', 'IMPORTED')
  )
);

comment on table records.custody is
  'Where a crate was and who answered for it, from when to when, without overlap: a place or a person. The row without an '
  'end is the present one.';
comment on column records.custody.during is 'From (included) to (excluded); without an end: now';
comment on column records.custody.reason is 'What began it: STORED, ISSUED, RETURNED, SENT, RECEIVED, RELOCATED, IMPORTED';

create unique index one_present_custody on records.custody (org_id, crate_id) where upper_inf(during);
create index custody_place_idx on records.custody (org_id, location_id, crate_id) where upper_inf(during);
create index custody_location_idx on records.custody (org_id, location_id) where location_id is not null;
create index custody_holder_idx on records.custody (org_id, holder_id) where holder_id is not null;
create index custody_request_idx on records.custody (org_id, request_id) where request_id is not null;
create index custody_history_idx on records.custody (org_id, crate_id, lower(during) desc);

create table records.send_back (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  request_id uuid not null,
  round integer not null,
  kind text not null,
  reason text not null,
  request jsonb not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint send_back_pkey primary key (org_id, id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint one_of_a_kind_per_round unique (org_id, request_id, round, kind),
  constraint send_back_kind_known check (kind in ('CHANGE_REQUEST', 'REJECTION', 'RETURN_NOTE')),
  constraint reason_says_something check (length(btrim(reason)) >= 10)
);

comment on table records.send_back is
  'Every round of a request: why it was sent back or rejected, what was noted on return, and how the request read then';
comment on column records.send_back.request is 'What the request asked for at that moment';

create table records.return_exception (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  request_id uuid not null,
  document_id uuid,
  kind text not null,
  note text,
  resolution text,
  resolved_at timestamptz,
  resolved_by uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint return_exception_pkey primary key (org_id, id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references records.document (org_id, id),
  constraint exception_kind_known check (kind in ('MISSING', 'UNEXPECTED', 'ALREADY_RETURNED', 'OTHER_PLACE')),
  constraint resolved_exceptions_say_how check ((resolved_at is null) = (resolution is null)),
  constraint documents_unless_it_is_the_place check ((kind = 'OTHER_PLACE') = (document_id is null))
);

comment on table records.return_exception is
  'What did not fit when something was returned: it is taken all the same, and somebody looks into it';
comment on column records.return_exception.kind is
  'MISSING (did not come back), UNEXPECTED (not of this request), ALREADY_RETURNED, OTHER_PLACE (the crate went elsewhere)';

create index return_exception_request_idx on records.return_exception (org_id, request_id, id);
create index return_exception_document_idx on records.return_exception (org_id, document_id, id) where document_id is not null;
create index return_exception_open_idx on records.return_exception (org_id, id) where resolved_at is null;

create table records.reminder (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  kind text not null,
  request_id uuid,
  crate_id uuid not null,
  remind_on date not null,
  due_on date not null,
  days_left integer generated always as (due_on - remind_on) virtual,
  created_at timestamptz not null default now(),
  constraint reminder_pkey primary key (org_id, id),
  constraint crate_exists foreign key (org_id, crate_id) references records.crate (org_id, id),
  constraint request_exists foreign key (org_id, request_id) references records.request (org_id, id),
  constraint reminded_once_a_day unique nulls not distinct (org_id, crate_id, request_id, remind_on),
  constraint reminder_kind_known check (kind in ('RETURN', 'DESTRUCTION')),
  constraint returns_name_their_request check ((kind = 'RETURN') = (request_id is not null))
);

comment on table records.reminder is
  'Reminders that were made: at most one a day for a withdrawal, and for the destruction of a crate';
comment on column records.reminder.days_left is 'Days until it is due; negative: overdue';

create index reminder_request_idx on records.reminder (org_id, request_id) where request_id is not null;

alter table records.retention_class enable row level security;
alter table records.retention_class force row level security;
alter table records.document enable row level security;
alter table records.document force row level security;
alter table records.crate enable row level security;
alter table records.crate force row level security;
alter table records.crate_document enable row level security;
alter table records.crate_document force row level security;
alter table records.request enable row level security;
alter table records.request force row level security;
alter table records.request_document enable row level security;
alter table records.request_document force row level security;
alter table records.custody enable row level security;
alter table records.custody force row level security;
alter table records.send_back enable row level security;
alter table records.send_back force row level security;
alter table records.return_exception enable row level security;
alter table records.return_exception force row level security;
alter table records.reminder enable row level security;
alter table records.reminder force row level security;

-- The worker makes reminders.
grant usage on schema records to worker;
