-- All triggers on the tables of core; each function is in a file of its own.

-- Lost updates and identity.
create or replace trigger touch before update on core.organization
for each row execute function core.tg_row__touch('id');

create or replace trigger touch before update on core.app_user
for each row execute function core.tg_row__touch('id');

create or replace trigger touch before update on core.membership
for each row execute function core.tg_row__touch('org_id', 'user_id');

create or replace trigger touch before update on core.setting
for each row execute function core.tg_row__touch('org_id', 'code');

create or replace trigger touch before update on core.org_unit
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.role
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.partner
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.contact
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.address
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.location
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.item
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.unit_conversion
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.exchange_rate
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.number_series
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.approval_policy
for each row execute function core.tg_row__touch();

create or replace trigger touch before update on core.approval
for each row execute function core.tg_row__touch();

-- States.
create or replace trigger guard_status before insert or update of status on core.partner
for each row execute function core.tg_row__guard_status('core.partner');

create or replace trigger guard_status before insert or update of status on core.approval
for each row execute function core.tg_row__guard_status('core.approval');

-- Trees.
create or replace trigger keep_path before insert or update of parent_id on core.org_unit
for each row execute function core.tg_tree__keep_path();

create or replace trigger keep_path before insert or update of parent_id on core.location
for each row execute function core.tg_tree__keep_path();

-- As text: `is distinct from` cannot name the schema of an operator, so a dump with types of an extension in it is refused
-- under the empty search path that it sets.
create or replace trigger move_descendants after update of parent_id on core.org_unit
for each row when (old.path::text is distinct from new.path::text)
execute function core.tg_tree__move_descendants();

create or replace trigger move_descendants after update of parent_id on core.location
for each row when (old.path::text is distinct from new.path::text)
execute function core.tg_tree__move_descendants();

create or replace trigger check_children after update on core.org_unit
referencing old table as old_rows new table as new_rows
for each statement execute function core.tg_tree__check_children();

create or replace trigger check_children after update on core.location
referencing old table as old_rows new table as new_rows
for each statement execute function core.tg_tree__check_children();

-- Values that a check constraint cannot judge.
create or replace trigger check_time_zone before insert or update of time_zone on core.organization
for each row execute function core.tg_row__check_time_zone();

create or replace trigger check_time_zone before insert or update of time_zone on core.location
for each row execute function core.tg_row__check_time_zone();

create or replace trigger check_type before insert or update of value on core.setting
for each row execute function core.tg_setting__check_type();

create or replace trigger check_type before insert or update of value on core.installation_setting
for each row execute function core.tg_setting__check_type();

-- Rows that must fit the others.
create or replace trigger check_policy after insert or update or delete on core.approval_policy
for each row execute function core.tg_approval_policy__check();

-- What stays as it was written, for the owner of the table too.
create or replace trigger refuse_change before update or delete or truncate on core.security_event
for each statement execute function core.tg_security_event__refuse();

create or replace trigger refuse_change before update or delete or truncate on core.signature
for each statement execute function core.tg_signature__refuse();

create or replace trigger refuse_change before update or delete or truncate on core.signature_use
for each statement execute function core.tg_signature__refuse();

-- Who may come in.
create or replace trigger readmit after update of is_active, kind on core.app_user
for each row when (old.is_active <> new.is_active or old.kind <> new.kind)
execute function core.tg_row__readmit();

create or replace trigger readmit after insert or delete or update of is_active, kind, partner_id on core.membership
for each row execute function core.tg_row__readmit();

create or replace trigger readmit after update of is_active on core.organization
for each row when (old.is_active <> new.is_active)
execute function core.tg_row__readmit();

create or replace trigger readmit after update of status on core.partner
for each row when ((old.status = 'INACTIVE') <> (new.status = 'INACTIVE'))
execute function core.tg_row__readmit();

create or replace trigger readmit after update of revoked_at, expires_at on core.api_key
for each row when (old.revoked_at is distinct from new.revoked_at or old.expires_at <> new.expires_at)
execute function core.tg_row__readmit();

-- What the gateway's cache heeds. By row and with conditions, so that sign-in and the renewal of tokens cost nothing.
create or replace trigger note_end after update of revoked_at, expires_at, is_admitted, is_limited on core.session
for each row when (
  (old.revoked_at is null and new.revoked_at is not null)
  or (old.is_admitted and not new.is_admitted)
  or (not old.is_limited and new.is_limited)
  or new.expires_at < old.expires_at
)
execute function core.tg_session__note_end();

create or replace trigger note_end_of_row after delete on core.session
for each row when (old.revoked_at is null and old.expires_at > now())
execute function core.tg_session__note_end();
