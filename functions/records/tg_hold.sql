-- Triggers of legal holds: what is held stays, whoever tries and by whatever way.

create or replace function records.find_hold(org_id uuid, crate_id uuid, document_id uuid)
returns uuid
language sql
stable
parallel safe
return (
  -- Four questions, each by an index; one with OR would read all that the organisation ever held.
  select f.hold_id
  from (
    select i.id, i.hold_id
    from records.legal_hold_item as i
    where i.org_id = find_hold.org_id
      and i.crate_id = find_hold.crate_id
      and i.is_active
    union all
    select i.id, i.hold_id
    from records.legal_hold_item as i
    where i.org_id = find_hold.org_id
      and i.document_id = find_hold.document_id
      and i.is_active
    union all
    select i.id, i.hold_id
    from records.crate_document as e
    inner join records.legal_hold_item as i
      on i.org_id = e.org_id
      and i.document_id = e.document_id
    where e.org_id = find_hold.org_id
      and e.crate_id = find_hold.crate_id
      and e.removed_at is null
      and i.is_active
    union all
    select i.id, i.hold_id
    from records.crate_document as e
    inner join records.legal_hold_item as i
      on i.org_id = e.org_id
      and i.crate_id = e.crate_id
    where e.org_id = find_hold.org_id
      and e.document_id = find_hold.document_id
      and e.removed_at is null
      and i.is_active
  ) as f
  order by f.id
  limit 1
);

comment on function records.find_hold(uuid, uuid, uuid) is
  'The first legal hold, not released, that covers the crate, the document, a document in the crate or the crate of the '
  'document, as far as the caller sees';

grant execute on function records.find_hold(uuid, uuid, uuid) to member, superadmin, migrator;

create or replace function records.find_hold_unseen(crate_id uuid, document_id uuid)
returns uuid
language plpgsql
stable
parallel safe
-- definer: who may not see a hold, or what lies in a crate, is held to it all the same
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return records.find_hold(core.org_id(), find_hold_unseen.crate_id, find_hold_unseen.document_id);
end
$$;

comment on function records.find_hold_unseen(uuid, uuid) is
  'records.find_hold in the organisation of the request, whatever the caller sees of it';

grant execute on function records.find_hold_unseen(uuid, uuid) to member, superadmin, migrator;

create or replace function records.check_hold(org_id uuid, crate_id uuid, document_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  -- The tools act for no organisation and see all of them.
  v_hold_id uuid := case
    when core.org_id() = check_hold.org_id
      then records.find_hold_unseen(check_hold.crate_id, check_hold.document_id)
    else records.find_hold(check_hold.org_id, check_hold.crate_id, check_hold.document_id)
  end;
begin
  if v_hold_id is not null then
    perform core.raise_error(
      'records.held',
      jsonb_build_object(
        'what', case when check_hold.document_id is null then 'crate' else 'document' end,
        'id', coalesce(check_hold.document_id, check_hold.crate_id),
        'hold_id', v_hold_id
      )
    );
  end if;
end
$$;

comment on function records.check_hold(uuid, uuid, uuid) is
  'Raises records.held (423) when a legal hold that is not released covers the crate, the document, a document in the crate or '
  'the crate of the document. Who asks holds a lock on the crate or document, so that no hold slips in after it.';

grant execute on function records.check_hold(uuid, uuid, uuid) to member, superadmin, migrator;

create or replace function records.tg_crate__hold()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if tg_op = 'DELETE' then
    perform records.check_hold(old.org_id, old.id, null);
    return old;
  end if;
  if (new.status <> old.status and new.status in ('DESTROYED', 'CANCELLED'))
    or (old.is_permanent and not new.is_permanent)
    or (old.is_retained and not new.is_retained)
    or new.destruction_on < old.destruction_on
    or (old.minimum_on is not null and new.minimum_on is null)
    or new.minimum_on < old.minimum_on
  then
    perform records.check_hold(old.org_id, old.id, null);
  end if;
  return new;
end
$$;

comment on function records.tg_crate__hold() is
  'Refuses (records.held, 423) to destroy, cancel or delete a crate under legal hold, and to let it be destroyed earlier';

-- After keep_due in the order of names: it sees the date that follows.
create or replace trigger keep_hold
before update or delete on records.crate
for each row
execute function records.tg_crate__hold();

create or replace function records.tg_document__hold()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if tg_op = 'DELETE' then
    perform records.check_hold(old.org_id, null, old.id);
    return old;
  end if;
  if (new.status <> old.status and new.status = 'DESTROYED')
    or new.due_on < old.due_on
    -- From kept for good, or not known yet, to a date; and out of its class altogether.
    or (old.retention_class_id is not null and old.due_on is null and new.due_on is not null)
    or (old.retention_class_id is not null and new.retention_class_id is null)
  then
    perform records.check_hold(old.org_id, null, old.id);
  end if;
  return new;
end
$$;

comment on function records.tg_document__hold() is
  'Refuses (records.held, 423) to destroy or delete a document under legal hold, and to let it go earlier';

create or replace trigger keep_hold
before update or delete on records.document
for each row
execute function records.tg_document__hold();

create or replace function records.tg_crate_document__hold()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if old.removed_at is null and (
    tg_op = 'DELETE'
    or new.removed_at is not null
    or (new.crate_id, new.document_id) is distinct from (old.crate_id, old.document_id)
  ) then
    -- A hold on the document locks it, too: one of both comes first.
    perform
    from records.document as d
    where d.org_id = old.org_id
      and d.id = old.document_id
    for no key update;
    perform records.check_hold(old.org_id, old.crate_id, old.document_id);
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function records.tg_crate_document__hold() is
  'Refuses (records.held, 423) to take a document out of a crate when one of them is under legal hold';

create or replace trigger keep_hold
before update or delete on records.crate_document
for each row
execute function records.tg_crate_document__hold();

create or replace function records.tg_table__keep_held()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('records.never_emptied', jsonb_build_object('table', tg_table_name));
  return null;
end
$$;

comment on function records.tg_table__keep_held() is
  'Refuses TRUNCATE, which asks no row whether it is held, and DELETE of what is kept for ever';

create or replace trigger keep_held
before truncate on records.crate
for each statement
execute function records.tg_table__keep_held();

create or replace trigger keep_held
before truncate on records.document
for each statement
execute function records.tg_table__keep_held();

create or replace trigger keep_held
before truncate on records.crate_document
for each statement
execute function records.tg_table__keep_held();

-- The holds themselves.
create or replace trigger touch
before update on records.legal_hold
for each row
execute function core.tg_row__touch();

create or replace trigger guard_status
before insert or update of status on records.legal_hold
for each row
execute function core.tg_row__guard_status('records.legal_hold');

create or replace trigger keep_held
before delete or truncate on records.legal_hold
for each statement
execute function records.tg_table__keep_held();

create or replace trigger keep_held
before delete or truncate on records.legal_hold_item
for each statement
execute function records.tg_table__keep_held();

create or replace function records.tg_legal_hold__keep()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if (new.hold_no, new.matter, new.reason, new.placed_by, new.placed_at)
    is distinct from (old.hold_no, old.matter, old.reason, old.placed_by, old.placed_at)
    or old.status = 'RELEASED'
  then
    perform core.raise_error('core.immutable_column', jsonb_build_object('table', 'legal_hold'));
  end if;
  if new.status = 'RELEASED'
    and core.user_id() = old.placed_by
    and (core.setting('records.hold_release_by_another') #>> '{}')::boolean
  then
    perform core.raise_error(
      'core.same_person', jsonb_build_object('entity', 'records.legal_hold', 'action', 'release')
    );
  end if;
  return new;
end
$$;

comment on function records.tg_legal_hold__keep() is
  'Refuses another matter, reason or placer of a hold, any change of a released one, and, where the organisation says so '
  '(records.hold_release_by_another), its release by who placed it';

create or replace trigger keep
before update on records.legal_hold
for each row
execute function records.tg_legal_hold__keep();

create or replace function records.tg_legal_hold__release()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  update records.legal_hold_item as i
  set is_active = false
  where i.org_id = new.org_id
    and i.hold_id = new.id
    and i.is_active;
  return null;
end
$$;

comment on function records.tg_legal_hold__release() is 'What a hold covered is free when it is released';

create or replace trigger release
after update of status on records.legal_hold
for each row
when (new.status = 'RELEASED' and old.status = 'ACTIVE')
execute function records.tg_legal_hold__release();

create or replace function records.tg_legal_hold_item__keep()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_status text;
  v_crate_id uuid := case tg_op when 'INSERT' then new.crate_id end;
begin
  if tg_op = 'UPDATE' then
    v_status := (select h.status from records.legal_hold as h where h.org_id = old.org_id and h.id = old.hold_id);
    if (new.org_id, new.id, new.hold_id, new.crate_id, new.document_id, new.added_at, new.added_by)
      is distinct from (old.org_id, old.id, old.hold_id, old.crate_id, old.document_id, old.added_at, old.added_by)
      or new.is_active is distinct from (v_status = 'ACTIVE')
    then
      perform core.raise_error('core.immutable_column', jsonb_build_object('table', 'legal_hold_item'));
    end if;
    return new;
  end if;
  select h.status
  into v_status
  from records.legal_hold as h
  where h.org_id = new.org_id
    and h.id = new.hold_id
  for share;
  if v_status <> 'ACTIVE' then
    perform core.raise_error('records.hold_released', jsonb_build_object('id', new.hold_id));
  end if;
  new.is_active := true;
  -- Who destroys holds the crate and then its documents: in this order we wait for him, and then see what is left.
  if new.document_id is not null then
    select e.crate_id
    into v_crate_id
    from records.crate_document as e
    where e.org_id = new.org_id
      and e.document_id = new.document_id
      and e.removed_at is null;
  end if;
  if v_crate_id is not null then
    select c.status
    into v_status
    from records.crate as c
    where c.org_id = new.org_id
      and c.id = v_crate_id
    for no key update;
    if new.crate_id is not null and v_status in ('DESTROYED', 'CANCELLED') then
      perform core.raise_error('records.hold_too_late', jsonb_build_object('id', new.crate_id, 'status', v_status));
    end if;
  end if;
  if new.document_id is not null then
    select d.status
    into v_status
    from records.document as d
    where d.org_id = new.org_id
      and d.id = new.document_id
    for no key update;
    if v_status = 'DESTROYED' then
      perform core.raise_error('records.hold_too_late', jsonb_build_object('id', new.document_id, 'status', v_status));
    end if;
  end if;
  return new;
end
$$;

comment on function records.tg_legal_hold_item__keep() is
  'Locks what is to be held, refuses what is destroyed already (records.hold_too_late, 409) and any change of an item but the '
  'end of its hold';

create or replace trigger keep
before insert or update on records.legal_hold_item
for each row
execute function records.tg_legal_hold_item__keep();

-- Certificates.
create or replace function records.tg_destruction_certificate__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('records.certificate_immutable', jsonb_build_object('operation', tg_op));
  return null;
end
$$;

comment on function records.tg_destruction_certificate__refuse() is
  'Refuses UPDATE, DELETE and TRUNCATE of certificates, to their owner too';

create or replace trigger refuse_change
before update or delete or truncate on records.destruction_certificate
for each statement
execute function records.tg_destruction_certificate__refuse();
