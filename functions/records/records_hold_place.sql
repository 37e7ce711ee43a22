-- Keeps crates and documents for a matter.

create or replace function api.records_hold_place(
  matter text,
  reason text,
  crates uuid[] default '{}',
  documents uuid[] default '{}',
  id uuid default null
)
returns api.records_holds
language plpgsql
volatile
parallel unsafe
-- definer: holds are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid := coalesce(records_hold_place.id, uuidv7());
  v_row api.records_holds;
begin
  perform core.require_permission('records.hold.place');
  if coalesce(btrim(matter), '') = '' then
    perform core.raise_error('records.matter_missing');
  elsif length(btrim(coalesce(reason, ''))) < 10 then
    perform core.raise_error('records.reason_too_short');
  elsif exists (select from records.legal_hold as h where h.org_id = core.org_id() and h.id = v_id) then
    perform core.raise_error('records.hold_exists', jsonb_build_object('id', v_id));
  end if;
  insert into records.legal_hold (org_id, id, hold_no, matter, reason)
  values (
    core.org_id(), v_id, core.next_number('records.legal_hold', v_id), btrim(records_hold_place.matter),
    btrim(records_hold_place.reason)
  );
  perform records.add_hold_items(v_id, crates, documents);
  select v.* into v_row from api.records_holds as v where v.org_id = core.org_id() and v.id = v_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_hold_place(text, text, uuid[], uuid[], uuid) is
  'Place a legal hold
Crates with all that is in them, documents wherever they lie: until it is released nothing destroys them, takes a document out
of its crate for good or lets it go earlier (423 records.held). reason has ten characters at least. More can be added with
records_hold_add. Refused: 409 records.hold_too_late (destroyed already), 404 records.crate_not_found,
records.document_not_found, 422 records.hold_empty. Needs records.hold.place everywhere.';

grant execute on function api.records_hold_place(text, text, uuid[], uuid[], uuid) to member, superadmin, migrator;
