-- Records in the API: classes, documents, crates, contents, custody, places.

create view api.records_retention_classes
with (security_invoker = true)
as
select
  t.org_id,
  t.id,
  t.code,
  t.name,
  t.years,
  t.counts_from,
  t.disposal,
  t.legal_basis,
  t.is_active,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from records.retention_class as t;

comment on view api.records_retention_classes is
  'Retention classes: how long documents are kept, and what happens then
Read by all members. A class is made inactive, never removed.';
comment on column api.records_retention_classes.org_id is 'Organisation';
comment on column api.records_retention_classes.id is 'Identifier, in order of creation';
comment on column api.records_retention_classes.code is 'Short name, unique';
comment on column api.records_retention_classes.name is 'Name';
comment on column api.records_retention_classes.years is 'How many years; null: kept for good';
comment on column api.records_retention_classes.counts_from is 'What the years count from: CREATED, CLOSED or EVENT';
comment on column api.records_retention_classes.disposal is 'What happens then: DESTROY, RETAIN, REVIEW or TRANSFER';
comment on column api.records_retention_classes.legal_basis is 'Law, rule or contract that demands it';
comment on column api.records_retention_classes.is_active is 'Whether new documents may have it';
comment on column api.records_retention_classes.version is 'Grows with each change; to be sent back with one';
comment on column api.records_retention_classes.created_at is 'When it was made';
comment on column api.records_retention_classes.created_by is 'User who made it';
comment on column api.records_retention_classes.updated_at is 'When it was last changed';
comment on column api.records_retention_classes.updated_by is 'User who last changed it';

create view api.records_documents
with (security_invoker = true)
as
select
  d.org_id,
  d.id,
  d.unit_id,
  d.document_number,
  d.name,
  d.kind,
  d.description,
  d.barcode,
  d.retention_class_id,
  d.dated_on,
  d.closed_on,
  d.event_on,
  d.due_on,
  d.status,
  d.status_reason,
  d.version,
  d.created_at,
  d.created_by,
  d.updated_at,
  d.updated_by
from records.document as d;

comment on view api.records_documents is
  'Documents
Registered here, or with the request to store them. Without delete: a destroyed document stays as a row that says so. Filters with
an index: unit_id, retention_class_id, due_on, document_number, barcode; search finds parts of numbers and names.';
comment on column api.records_documents.org_id is 'Organisation';
comment on column api.records_documents.id is 'Identifier, in order of creation';
comment on column api.records_documents.unit_id is 'Unit that it belongs to';
comment on column api.records_documents.document_number is 'What its unit calls it, unique';
comment on column api.records_documents.name is 'Name';
comment on column api.records_documents.kind is 'PHYSICAL, or DIGITAL: a disc or tape';
comment on column api.records_documents.description is 'What it is about';
comment on column api.records_documents.barcode is 'What a scanner reads; optional, unique';
comment on column api.records_documents.retention_class_id is 'Retention class';
comment on column api.records_documents.dated_on is 'Date of the document';
comment on column api.records_documents.closed_on is 'When its file was closed';
comment on column api.records_documents.event_on is 'When happened what its class counts from';
comment on column api.records_documents.due_on is
  'First day on which it may go, by its class; null: none, not known yet, or kept for good';
comment on column api.records_documents.status is 'ACTIVE or DESTROYED';
comment on column api.records_documents.status_reason is 'Why it has its present status';
comment on column api.records_documents.version is 'Grows with each change; to be sent back with one';
comment on column api.records_documents.created_at is 'When it was made';
comment on column api.records_documents.created_by is 'User who made it';
comment on column api.records_documents.updated_at is 'When it was last changed';
comment on column api.records_documents.updated_by is 'User who last changed it';

create view api.records_crates
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.barcode,
  c.unit_id,
  c.bound_for_id,
  c.status,
  c.status_reason,
  c.is_for_central,
  c.is_permanent,
  c.minimum_on,
  c.is_retained,
  c.destruction_on,
  u.location_id,
  u.holder_id,
  lower(u.during) as held_since,
  c.version,
  c.created_at,
  c.created_by,
  c.updated_at,
  c.updated_by
from records.crate as c
left join records.custody as u
  on u.org_id = c.org_id
  and u.crate_id = c.id
  and upper_inf(u.during);

comment on view api.records_crates is
  'Crates and where they are
Made by records_storage_request; everything else happens by requests, records_crate_relocate, _archive and _restore. Filters with
an index: unit_id, status, barcode, is_for_central, location_id, destruction_on. records_crate_history tells what happened
to one.';
comment on column api.records_crates.org_id is 'Organisation';
comment on column api.records_crates.id is 'Identifier, in order of creation';
comment on column api.records_crates.barcode is 'UNIT/DEPARTMENT[/SECTION]/YEAR/00001';
comment on column api.records_crates.unit_id is 'Unit that it belongs to: a department or section';
comment on column api.records_crates.bound_for_id is 'Unit that it is on its way to';
comment on column api.records_crates.status is 'PROPOSED, ACTIVE, WITHDRAWN, IN_TRANSIT, ARCHIVED, DESTROYED or CANCELLED';
comment on column api.records_crates.status_reason is 'Why it has its present status';
comment on column api.records_crates.is_for_central is 'Whether Central sees it, and may store it';
comment on column api.records_crates.is_permanent is 'Kept for good by decision';
comment on column api.records_crates.minimum_on is 'Not destroyed before this day, whatever its documents say';
comment on column api.records_crates.is_retained is 'Whether it has no day on which it may be destroyed';
comment on column api.records_crates.destruction_on is 'First day on which it may be destroyed';
comment on column api.records_crates.location_id is 'Place that it lies in; null: in none';
comment on column api.records_crates.holder_id is 'User who has it; null: it lies in a place';
comment on column api.records_crates.held_since is 'Since when it is there';
comment on column api.records_crates.version is 'Grows with each change; to be sent back with one';
comment on column api.records_crates.created_at is 'When it was made';
comment on column api.records_crates.created_by is 'User who made it';
comment on column api.records_crates.updated_at is 'When it was last changed';
comment on column api.records_crates.updated_by is 'User who last changed it';

create trigger refuse
instead of insert or update or delete on api.records_crates
for each row
execute function core.tg_view__refuse();

create view api.records_crate_documents
with (security_invoker = true)
as
select
  e.org_id,
  e.id,
  e.crate_id,
  e.document_id,
  d.document_number,
  d.name as document_name,
  d.status as document_status,
  e.added_at,
  e.added_by,
  e.removed_at,
  e.removed_by
from records.crate_document as e
left join records.document as d
  on d.org_id = e.org_id
  and d.id = e.document_id;

comment on view api.records_crate_documents is
  'Which documents belong into which crates, now and before
removed_at=is.null: now. A document is in one crate at a time, also while it is withdrawn.';
comment on column api.records_crate_documents.org_id is 'Organisation';
comment on column api.records_crate_documents.id is 'Identifier, in order of creation';
comment on column api.records_crate_documents.crate_id is 'Crate';
comment on column api.records_crate_documents.document_id is 'Document';
comment on column api.records_crate_documents.document_number is 'What its unit calls it; null: not to be seen by the caller';
comment on column api.records_crate_documents.document_name is 'Name of the document';
comment on column api.records_crate_documents.document_status is 'ACTIVE or DESTROYED';
comment on column api.records_crate_documents.added_at is 'Since when';
comment on column api.records_crate_documents.added_by is 'User who put it there';
comment on column api.records_crate_documents.removed_at is 'Until when; null: now';
comment on column api.records_crate_documents.removed_by is 'User who took it away for good';

create trigger refuse
instead of insert or update or delete on api.records_crate_documents
for each row
execute function core.tg_view__refuse();

create view api.records_custodies
with (security_invoker = true)
as
select
  u.org_id,
  u.id,
  u.crate_id,
  u.location_id,
  u.holder_id,
  lower(u.during) as began_at,
  upper(u.during) as ended_at,
  u.reason,
  u.request_id,
  u.note,
  u.created_by
from records.custody as u;

comment on view api.records_custodies is
  'Custody: where crates were and who answered for them, from when to when
Without gap or overlap from the first storage on; ended_at=is.null: now. records_custody_at tells it for any moment.';
comment on column api.records_custodies.org_id is 'Organisation';
comment on column api.records_custodies.id is 'Identifier, in order of creation';
comment on column api.records_custodies.crate_id is 'Crate';
comment on column api.records_custodies.location_id is 'Place that it lay in';
comment on column api.records_custodies.holder_id is 'User who had it';
comment on column api.records_custodies.began_at is 'From when (included)';
comment on column api.records_custodies.ended_at is 'To when (excluded); null: now';
comment on column api.records_custodies.reason is
  'What began it: STORED, ISSUED, RETURNED, SENT, RECEIVED, RELOCATED or IMPORTED';
comment on column api.records_custodies.request_id is 'Request that it followed from';
comment on column api.records_custodies.note is 'Remark';
comment on column api.records_custodies.created_by is 'User who handed it over';
