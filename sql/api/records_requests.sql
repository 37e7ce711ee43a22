-- Requests for crates in the API: requests, inbox, what is due, rounds, exceptions, reminders.

create view api.records_requests
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.request_no,
  r.kind,
  r.status,
  r.status_reason,
  r.crate_id,
  c.barcode,
  r.unit_id,
  r.target_unit_id,
  r.purpose,
  r.is_full,
  r.document_count,
  r.expected_return_on,
  r.round,
  r.requested_by,
  r.requested_at,
  r.approved_by,
  r.approved_at,
  r.rejected_by,
  r.rejected_at,
  r.sent_back_by,
  r.sent_back_at,
  r.cancelled_by,
  r.cancelled_at,
  r.issued_to,
  r.issued_by,
  r.issued_at,
  r.returned_by,
  r.returned_at,
  r.sent_by,
  r.sent_at,
  r.completed_by,
  r.completed_at,
  r.version,
  r.created_at,
  r.created_by,
  r.updated_at,
  r.updated_by
from records.request as r
left join records.crate as c
  on c.org_id = r.org_id
  and c.id = r.crate_id;

comment on view api.records_requests is
  'Requests for crates: storage, withdrawal, destruction, transfer
Made and moved on by functions. My requests: requested_by=eq.<my id>&order=requested_at.desc,id.desc; of a kind:
kind=eq.WITHDRAWAL&status=eq.ISSUED&order=requested_at.desc,id.desc. Every round of one is in records_send_backs.';
comment on column api.records_requests.org_id is 'Organisation';
comment on column api.records_requests.id is 'Identifier, in order of creation';
comment on column api.records_requests.request_no is 'Number, without gaps; null until it is submitted';
comment on column api.records_requests.kind is 'STORAGE, WITHDRAWAL, DESTRUCTION or TRANSFER';
comment on column api.records_requests.status is 'DRAFT, PENDING, SENT_BACK, APPROVED, REJECTED, CANCELLED; then, by kind, ISSUED, PARTIALLY_RETURNED, RETURNED, IN_TRANSIT, COMPLETED';
comment on column api.records_requests.status_reason is 'Why it has its present status';
comment on column api.records_requests.crate_id is 'Crate';
comment on column api.records_requests.barcode is 'Barcode of the crate; null: not to be seen by the caller';
comment on column api.records_requests.unit_id is 'Unit of the crate when it was asked';
comment on column api.records_requests.target_unit_id is 'Where a transfer goes';
comment on column api.records_requests.purpose is 'What for';
comment on column api.records_requests.is_full is 'Of a withdrawal: the whole crate, or the documents that it lists';
comment on column api.records_requests.document_count is 'How many documents it lists';
comment on column api.records_requests.expected_return_on is 'When a withdrawal comes back';
comment on column api.records_requests.round is 'Counts up each time it is submitted again';
comment on column api.records_requests.requested_by is 'User who made it';
comment on column api.records_requests.requested_at is 'When it was submitted first; of a draft, when it was made';
comment on column api.records_requests.approved_by is 'User who approved it';
comment on column api.records_requests.approved_at is 'When it was approved';
comment on column api.records_requests.rejected_by is 'User who rejected it';
comment on column api.records_requests.rejected_at is 'When it was rejected';
comment on column api.records_requests.sent_back_by is 'User who sent it back last';
comment on column api.records_requests.sent_back_at is 'When it was sent back last';
comment on column api.records_requests.cancelled_by is 'User who cancelled it';
comment on column api.records_requests.cancelled_at is 'When it was cancelled';
comment on column api.records_requests.issued_to is 'Who took what was withdrawn';
comment on column api.records_requests.issued_by is 'User who issued it';
comment on column api.records_requests.issued_at is 'When it was issued';
comment on column api.records_requests.returned_by is 'User who took back the last of it';
comment on column api.records_requests.returned_at is 'When the last of it came back';
comment on column api.records_requests.sent_by is 'User who sent the crate';
comment on column api.records_requests.sent_at is 'When the crate was sent';
comment on column api.records_requests.completed_by is 'User who stored, destroyed or received the crate';
comment on column api.records_requests.completed_at is 'When that was';
comment on column api.records_requests.version is 'Grows with each change; to be sent back with one';
comment on column api.records_requests.created_at is 'When it was made';
comment on column api.records_requests.created_by is 'User who made it';
comment on column api.records_requests.updated_at is 'When it was last changed';
comment on column api.records_requests.updated_by is 'User who last changed it';

create trigger refuse
instead of insert or update or delete on api.records_requests
for each row
execute function core.tg_view__refuse();

create view api.records_inbox
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.request_no,
  r.kind,
  r.status,
  r.status_reason,
  r.crate_id,
  c.barcode,
  r.unit_id,
  r.target_unit_id,
  r.purpose,
  r.is_full,
  r.document_count,
  r.expected_return_on,
  r.round,
  r.requested_by,
  r.requested_at,
  r.requested_by = (select core.user_id()) as is_own,
  r.version
from records.request as r
left join records.crate as c
  on c.org_id = r.org_id
  and c.id = r.crate_id
where r.status = 'PENDING';

comment on view api.records_inbox is
  'The approver''s inbox: requests that wait for a decision, of all units that the caller sees
order=requested_at,id shows who has waited longest; is_own tells those that the caller made and may not decide.';
comment on column api.records_inbox.org_id is 'Organisation';
comment on column api.records_inbox.id is 'Identifier, in order of creation';
comment on column api.records_inbox.request_no is 'Number, without gaps; null until it is submitted';
comment on column api.records_inbox.kind is 'STORAGE, WITHDRAWAL, DESTRUCTION or TRANSFER';
comment on column api.records_inbox.status is 'DRAFT, PENDING, SENT_BACK, APPROVED, REJECTED, CANCELLED; then, by kind, ISSUED, PARTIALLY_RETURNED, RETURNED, IN_TRANSIT, COMPLETED';
comment on column api.records_inbox.status_reason is 'Why it has its present status';
comment on column api.records_inbox.crate_id is 'Crate';
comment on column api.records_inbox.barcode is 'Barcode of the crate; null: not to be seen by the caller';
comment on column api.records_inbox.unit_id is 'Unit of the crate when it was asked';
comment on column api.records_inbox.target_unit_id is 'Where a transfer goes';
comment on column api.records_inbox.purpose is 'What for';
comment on column api.records_inbox.is_full is 'Of a withdrawal: the whole crate, or the documents that it lists';
comment on column api.records_inbox.document_count is 'How many documents it lists';
comment on column api.records_inbox.expected_return_on is 'When a withdrawal comes back';
comment on column api.records_inbox.round is 'Counts up each time it is submitted again';
comment on column api.records_inbox.requested_by is 'User who made it';
comment on column api.records_inbox.requested_at is 'When it was submitted first; of a draft, when it was made';
comment on column api.records_inbox.is_own is 'Whether the caller made it, and may not decide it';
comment on column api.records_inbox.version is 'To be sent back with the decision';

-- Here because the tables behind it have policies of their own.
grant select on api.records_inbox to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.records_inbox
for each row
execute function core.tg_view__refuse();

create view api.records_returns_due
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.request_no,
  r.kind,
  r.status,
  r.status_reason,
  r.crate_id,
  c.barcode,
  r.unit_id,
  r.target_unit_id,
  r.purpose,
  r.is_full,
  r.document_count,
  r.expected_return_on,
  r.round,
  r.requested_by,
  r.requested_at,
  r.issued_to,
  r.issued_at,
  r.expected_return_on - core.today() as days_left
from records.request as r
left join records.crate as c
  on c.org_id = r.org_id
  and c.id = r.crate_id
where r.status in ('ISSUED', 'PARTIALLY_RETURNED');

comment on view api.records_returns_due is
  'What is out and has to come back, the longest overdue first
order=expected_return_on,id; days_left=lt.0: overdue. Whole crates and parts.';
comment on column api.records_returns_due.org_id is 'Organisation';
comment on column api.records_returns_due.id is 'Identifier, in order of creation';
comment on column api.records_returns_due.request_no is 'Number, without gaps; null until it is submitted';
comment on column api.records_returns_due.kind is 'STORAGE, WITHDRAWAL, DESTRUCTION or TRANSFER';
comment on column api.records_returns_due.status is 'DRAFT, PENDING, SENT_BACK, APPROVED, REJECTED, CANCELLED; then, by kind, ISSUED, PARTIALLY_RETURNED, RETURNED, IN_TRANSIT, COMPLETED';
comment on column api.records_returns_due.status_reason is 'Why it has its present status';
comment on column api.records_returns_due.crate_id is 'Crate';
comment on column api.records_returns_due.barcode is 'Barcode of the crate; null: not to be seen by the caller';
comment on column api.records_returns_due.unit_id is 'Unit of the crate when it was asked';
comment on column api.records_returns_due.target_unit_id is 'Where a transfer goes';
comment on column api.records_returns_due.purpose is 'What for';
comment on column api.records_returns_due.is_full is 'Of a withdrawal: the whole crate, or the documents that it lists';
comment on column api.records_returns_due.document_count is 'How many documents it lists';
comment on column api.records_returns_due.expected_return_on is 'When a withdrawal comes back';
comment on column api.records_returns_due.round is 'Counts up each time it is submitted again';
comment on column api.records_returns_due.requested_by is 'User who made it';
comment on column api.records_returns_due.requested_at is 'When it was submitted first; of a draft, when it was made';
comment on column api.records_returns_due.issued_to is 'Who has it';
comment on column api.records_returns_due.issued_at is 'Since when';
comment on column api.records_returns_due.days_left is 'Days until it is due; negative: overdue';

-- Here because the tables behind it have policies of their own.
grant select on api.records_returns_due to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.records_returns_due
for each row
execute function core.tg_view__refuse();

create view api.records_destruction_schedule
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.barcode,
  c.unit_id,
  c.status,
  c.destruction_on,
  c.destruction_on - core.today() as days_left,
  u.location_id
from records.crate as c
left join records.custody as u
  on u.org_id = c.org_id
  and u.crate_id = c.id
  and upper_inf(u.during)
where c.status in ('ACTIVE', 'ARCHIVED')
  and not c.is_retained;

comment on view api.records_destruction_schedule is
  'Crates in the order in which they may be destroyed
order=destruction_on,id; destruction_on=lte.2026-12-31: until the end of the year. Only those that lie in their place and are
not retained. A hold does not show here: it is looked at when somebody asks for the destruction.';
comment on column api.records_destruction_schedule.org_id is 'Organisation';
comment on column api.records_destruction_schedule.id is 'Identifier, in order of creation';
comment on column api.records_destruction_schedule.barcode is 'Barcode';
comment on column api.records_destruction_schedule.unit_id is 'Unit that it belongs to';
comment on column api.records_destruction_schedule.status is 'ACTIVE or ARCHIVED';
comment on column api.records_destruction_schedule.destruction_on is 'First day on which it may be destroyed';
comment on column api.records_destruction_schedule.days_left is 'Days until then; zero or negative: it may be';
comment on column api.records_destruction_schedule.location_id is 'Place that it lies in';

-- Here because the tables behind it have policies of their own.
grant select on api.records_destruction_schedule to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.records_destruction_schedule
for each row
execute function core.tg_view__refuse();

create view api.records_central_crates
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.barcode,
  c.unit_id,
  c.status,
  c.destruction_on,
  u.location_id,
  u.holder_id
from records.crate as c
left join records.custody as u
  on u.org_id = c.org_id
  and u.crate_id = c.id
  and upper_inf(u.during)
where c.is_for_central;

comment on view api.records_central_crates is
  'Crates of all units that are flagged for Central';
comment on column api.records_central_crates.org_id is 'Organisation';
comment on column api.records_central_crates.id is 'Identifier, in order of creation';
comment on column api.records_central_crates.barcode is 'Barcode';
comment on column api.records_central_crates.unit_id is 'Unit that it belongs to';
comment on column api.records_central_crates.status is 'Status';
comment on column api.records_central_crates.destruction_on is 'First day on which it may be destroyed; null: retained';
comment on column api.records_central_crates.location_id is 'Place that it lies in';
comment on column api.records_central_crates.holder_id is 'User who has it';

-- Here because the tables behind it have policies of their own.
grant select on api.records_central_crates to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.records_central_crates
for each row
execute function core.tg_view__refuse();

create view api.records_request_documents
with (security_invoker = true)
as
select
  x.org_id,
  x.id,
  x.request_id,
  x.document_id,
  d.document_number,
  d.name as document_name,
  x.issued_at,
  x.returned_at,
  x.returned_by,
  x.missing_at,
  x.issued_at is not null and x.returned_at is null and x.missing_at is null as is_out,
  x.created_at,
  x.created_by
from records.request_document as x
left join records.document as d
  on d.org_id = x.org_id
  and d.id = x.document_id;

comment on view api.records_request_documents is
  'Documents that withdrawals take out
Ask for those of one request (request_id=eq.…); is_out=is.true: they are not back yet.';
comment on column api.records_request_documents.org_id is 'Organisation';
comment on column api.records_request_documents.id is 'Identifier, in order of creation';
comment on column api.records_request_documents.request_id is 'Request';
comment on column api.records_request_documents.document_id is 'Document';
comment on column api.records_request_documents.document_number is 'What its unit calls it; null: not to be seen by the caller';
comment on column api.records_request_documents.document_name is 'Name of the document';
comment on column api.records_request_documents.issued_at is 'When it was given out';
comment on column api.records_request_documents.returned_at is 'When it came back';
comment on column api.records_request_documents.returned_by is 'User who took it back';
comment on column api.records_request_documents.missing_at is 'When it was reported missing';
comment on column api.records_request_documents.is_out is 'Whether it is out';
comment on column api.records_request_documents.created_at is 'When it was made';
comment on column api.records_request_documents.created_by is 'User who made it';

create trigger refuse
instead of insert or update or delete on api.records_request_documents
for each row
execute function core.tg_view__refuse();

create view api.records_send_backs
with (security_invoker = true)
as
select
  s.org_id,
  s.id,
  s.request_id,
  s.round,
  s.kind,
  s.reason,
  s.request,
  s.created_at,
  s.created_by
from records.send_back as s;

comment on view api.records_send_backs is
  'Rounds of requests: why they were sent back or rejected, what was noted on return
request holds what was asked for at that moment.';
comment on column api.records_send_backs.org_id is 'Organisation';
comment on column api.records_send_backs.id is 'Identifier, in order of creation';
comment on column api.records_send_backs.request_id is 'Request';
comment on column api.records_send_backs.round is 'Round of the request';
comment on column api.records_send_backs.kind is 'CHANGE_REQUEST, REJECTION or RETURN_NOTE';
comment on column api.records_send_backs.reason is 'What was said';
comment on column api.records_send_backs.request is 'What the request asked for then';
comment on column api.records_send_backs.created_at is 'When it was made';
comment on column api.records_send_backs.created_by is 'User who made it';

create view api.records_return_exceptions
with (security_invoker = true)
as
select
  e.org_id,
  e.id,
  e.request_id,
  e.document_id,
  e.kind,
  e.note,
  e.resolution,
  e.resolved_at,
  e.resolved_by,
  e.created_at,
  e.created_by
from records.return_exception as e;

comment on view api.records_return_exceptions is
  'What did not fit when something was returned
resolved_at=is.null: still to be looked into; records_exception_resolve settles one.';
comment on column api.records_return_exceptions.org_id is 'Organisation';
comment on column api.records_return_exceptions.id is 'Identifier, in order of creation';
comment on column api.records_return_exceptions.request_id is 'Withdrawal';
comment on column api.records_return_exceptions.document_id is 'Document';
comment on column api.records_return_exceptions.kind is 'MISSING, UNEXPECTED, ALREADY_RETURNED or OTHER_PLACE';
comment on column api.records_return_exceptions.note is 'Remark; of another place, which';
comment on column api.records_return_exceptions.resolution is 'How it was settled';
comment on column api.records_return_exceptions.resolved_at is 'When it was settled';
comment on column api.records_return_exceptions.resolved_by is 'User who settled it';
comment on column api.records_return_exceptions.created_at is 'When it was made';
comment on column api.records_return_exceptions.created_by is 'User who made it';

create view api.records_reminders
with (security_invoker = true)
as
select
  m.org_id,
  m.id,
  m.kind,
  m.request_id,
  m.crate_id,
  m.remind_on,
  m.due_on,
  m.days_left,
  m.created_at
from records.reminder as m;

comment on view api.records_reminders is
  'Reminders that were made
At most one a day for each withdrawal that is due (10, 5, 3, 2, 1 days before, then daily when overdue) and each crate that may be
destroyed (10 and 1 days before). Those concerned get them as notifications.';
comment on column api.records_reminders.org_id is 'Organisation';
comment on column api.records_reminders.id is 'Identifier, in order of creation';
comment on column api.records_reminders.kind is 'RETURN or DESTRUCTION';
comment on column api.records_reminders.request_id is 'Withdrawal that is due';
comment on column api.records_reminders.crate_id is 'Crate';
comment on column api.records_reminders.remind_on is 'Day of the reminder';
comment on column api.records_reminders.due_on is 'Day on which it is due';
comment on column api.records_reminders.days_left is 'Days until it is due; negative: overdue';
comment on column api.records_reminders.created_at is 'When it was made';

create view api.records_places
with (security_invoker = true)
as
select
  l.org_id,
  l.id,
  l.parent_id,
  l.kind,
  l.code,
  l.name,
  l.unit_id,
  case when l.capacity_unit = 'XCR' then l.capacity::integer end as capacity_crates,
  k.crates,
  case when l.capacity_unit = 'XCR' then l.capacity::integer - k.crates end as free,
  not exists (select from core.location as b where b.org_id = l.org_id and b.parent_id = l.id) as is_leaf,
  l.is_active,
  l.version,
  l.created_at,
  l.updated_at
from core.location as l
cross join lateral (
  select count(*)::integer as crates
  from records.custody as u
  where u.org_id = l.org_id
    and u.location_id = l.id
    and upper_inf(u.during)
) as k
where l.kind in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF');

comment on view api.records_places is
  'Places for crates, and how full they are
Rooms, racks, compartments and shelves. is_leaf=is.true&free=gt.0: where something can be put; a place without capacity takes any
number. Made by records_place_create; changed through locations, moved by location_move.';
comment on column api.records_places.org_id is 'Organisation';
comment on column api.records_places.id is 'Identifier, in order of creation';
comment on column api.records_places.parent_id is 'Place that it is in';
comment on column api.records_places.kind is 'ROOM, RACK, COMPARTMENT or SHELF';
comment on column api.records_places.code is 'Short name, unique in parent_id';
comment on column api.records_places.name is 'Name';
comment on column api.records_places.unit_id is 'Unit that it belongs to; null: that of the place above, or all';
comment on column api.records_places.capacity_crates is 'How many crates it takes; null: any number';
comment on column api.records_places.crates is 'How many crates lie in it';
comment on column api.records_places.free is 'How many more it takes; null: any number';
comment on column api.records_places.is_leaf is 'Whether crates lie in it: no other place does';
comment on column api.records_places.is_active is 'Whether crates may be put there';
comment on column api.records_places.version is 'Grows with each change; to be sent back with one';
comment on column api.records_places.created_at is 'When it was made';
comment on column api.records_places.updated_at is 'When it was last changed';

-- Here because the tables behind it have policies of their own.
grant select on api.records_places to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.records_places
for each row
execute function core.tg_view__refuse();
