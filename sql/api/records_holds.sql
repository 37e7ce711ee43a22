-- Legal holds and certificates of destruction, as the API shows them.

create view api.records_holds
with (security_invoker = true)
as
select
  h.org_id,
  h.id,
  h.hold_no,
  h.matter,
  h.reason,
  h.status,
  h.status_reason,
  (
    select count(*) from records.legal_hold_item as i where i.org_id = h.org_id and i.hold_id = h.id
  ) as item_count,
  h.placed_by,
  h.placed_at,
  h.released_by,
  h.released_at,
  h.version,
  h.updated_at
from records.legal_hold as h;

comment on view api.records_holds is
  'Legal holds
What must be kept for a matter, whatever its dates say; released ones stay. Placed with records_hold_place, extended with
records_hold_add, ended with records_hold_release. Needs records.hold.read.';
comment on column api.records_holds.org_id is 'Organisation';
comment on column api.records_holds.id is 'Identifier, in order of creation';
comment on column api.records_holds.hold_no is 'Number, without gaps';
comment on column api.records_holds.matter is 'The case, audit or inquiry';
comment on column api.records_holds.reason is 'Why it was placed';
comment on column api.records_holds.status is 'ACTIVE or RELEASED';
comment on column api.records_holds.status_reason is 'Why it was released';
comment on column api.records_holds.item_count is 'How many crates and documents it names';
comment on column api.records_holds.placed_by is 'User who placed it';
comment on column api.records_holds.placed_at is 'When';
comment on column api.records_holds.released_by is 'User who released it';
comment on column api.records_holds.released_at is 'When';
comment on column api.records_holds.version is 'Grows with each change; to be sent back with one';
comment on column api.records_holds.updated_at is 'When it was last changed';

create trigger refuse
instead of insert or update or delete on api.records_holds
for each row
execute function core.tg_view__refuse();

create view api.records_hold_items
with (security_invoker = true)
as
select
  i.org_id,
  i.id,
  i.hold_id,
  i.crate_id,
  i.document_id,
  i.is_active,
  i.added_at,
  i.added_by
from records.legal_hold_item as i;

comment on view api.records_hold_items is
  'What legal holds cover
crate_id=eq.… or document_id=eq.… and is_active=is.true: is it held? Every member of the organisation sees that something is
held; for which matter, who may read holds.';
comment on column api.records_hold_items.org_id is 'Organisation';
comment on column api.records_hold_items.id is 'Identifier, in order of creation';
comment on column api.records_hold_items.hold_id is 'The hold';
comment on column api.records_hold_items.crate_id is 'Crate, with all that is in it';
comment on column api.records_hold_items.document_id is 'Document, wherever it lies';
comment on column api.records_hold_items.is_active is 'Whether the hold is not released';
comment on column api.records_hold_items.added_at is 'Since when';
comment on column api.records_hold_items.added_by is 'User who added it';

create view api.records_certificates
with (security_invoker = true)
as
select
  c.org_id,
  c.id,
  c.certificate_no,
  c.request_id,
  c.crate_id,
  c.manifest #>> '{crate,barcode}' as barcode,
  c.unit_id,
  c.method,
  c.vendor,
  c.executed_by,
  c.executor_signature_id,
  c.witness_id,
  c.witness_signature_id,
  c.executed_at,
  c.document_count,
  c.manifest,
  c.sha256,
  encode(sha256(convert_to(records.certificate_text(c), 'UTF8')), 'hex') = c.sha256 as is_intact
from records.destruction_certificate as c;

comment on view api.records_certificates is
  'Certificates of destruction
What was destroyed, how, by whom and before whose eyes; append-only. As a page to print: GET /rpc/records_certificate_page with
Accept: text/html. Seen in the units in which one reads requests.';
comment on column api.records_certificates.org_id is 'Organisation';
comment on column api.records_certificates.id is 'Identifier, in order of creation';
comment on column api.records_certificates.certificate_no is 'Number, without gaps';
comment on column api.records_certificates.request_id is 'The request';
comment on column api.records_certificates.crate_id is 'The crate';
comment on column api.records_certificates.barcode is 'Barcode of the crate';
comment on column api.records_certificates.unit_id is 'Unit of the crate';
comment on column api.records_certificates.method is 'SHRED, INCINERATE or PULP';
comment on column api.records_certificates.vendor is 'Who did the work; null: the organisation itself';
comment on column api.records_certificates.executed_by is 'User who destroyed it';
comment on column api.records_certificates.executor_signature_id is 'His signature';
comment on column api.records_certificates.witness_id is 'User who saw it';
comment on column api.records_certificates.witness_signature_id is 'His signature';
comment on column api.records_certificates.executed_at is 'When';
comment on column api.records_certificates.document_count is 'How many documents were in it';
comment on column api.records_certificates.manifest is 'Crate, documents, request, approvals and signatures at that moment';
comment on column api.records_certificates.sha256 is 'SHA-256 of all of this';
comment on column api.records_certificates.is_intact is 'Whether the hash agrees with what the certificate says';

create trigger refuse
instead of insert or update or delete on api.records_certificates
for each row
execute function core.tg_view__refuse();
