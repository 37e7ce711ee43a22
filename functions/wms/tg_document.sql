-- Triggers of documents: allowed status changes, expected version, and nothing changes once posted.

create or replace function wms.tg_document__keep_posted()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- Asked here and not as the condition of the trigger, which every update of a document would get ready anew.
  if (
    old.document_type, old.number, old.from_location_id, old.to_location_id, old.partner_id, old.reference,
    old.posting_date, old.currency, old.line_count, old.total, old.posted_at, old.posted_by, old.reverses
  ) is distinct from (
    new.document_type, new.number, new.from_location_id, new.to_location_id, new.partner_id, new.reference,
    new.posting_date, new.currency, new.line_count, new.total, new.posted_at, new.posted_by, new.reverses
  ) then
    perform core.raise_error('wms.document_frozen', jsonb_build_object('id', old.id, 'status', old.status));
  end if;
  return new;
end
$$;

comment on function wms.tg_document__keep_posted() is
  'Refuses a change of what a posted or cancelled document says; its status has rules of its own.';

create or replace trigger keep_posted
before update on wms.document
for each row
when (old.status in ('POSTED', 'REVERSED', 'CANCELLED'))
execute function wms.tg_document__keep_posted();

create or replace function wms.tg_document__check_partner()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform wms.check_partner(new.org_id, new.partner_id);
  return new;
end
$$;

comment on function wms.tg_document__check_partner() is 'Refuses to give a draft an unknown or inactive partner.';

create or replace trigger check_partner
before update of partner_id on wms.document
for each row
when (new.partner_id is distinct from old.partner_id)
execute function wms.tg_document__check_partner();

create or replace trigger guard_status
before insert or update of status on wms.document
for each row
execute function core.tg_row__guard_status('wms.document');

create or replace trigger touch
before update on wms.document
for each row
execute function core.tg_row__touch();
