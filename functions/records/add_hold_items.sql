-- What a hold covers.

create or replace function records.add_hold_items(hold_id uuid, crates uuid[], documents uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_missing uuid;
begin
  if cardinality(coalesce(crates, '{}')) + cardinality(coalesce(documents, '{}')) = 0 then
    perform core.raise_error('records.hold_empty');
  end if;
  -- All locks first, crates before documents and each in the order of ids, as those take them who destroy.
  perform
  from records.crate as c
  where c.org_id = v_org
    and (
      c.id = any (crates)
      or c.id in (
        select e.crate_id
        from records.crate_document as e
        where e.org_id = v_org
          and e.document_id = any (documents)
          and e.removed_at is null
      )
    )
  order by c.id
  for no key update;
  perform
  from records.document as d
  where d.org_id = v_org
    and d.id = any (documents)
  order by d.id
  for no key update;

  select w.id
  into v_missing
  from unnest(crates) as w (id)
  where not exists (select from records.crate as c where c.org_id = v_org and c.id = w.id)
  limit 1;
  if found then
    perform core.raise_error('records.crate_not_found', jsonb_build_object('id', v_missing));
  end if;
  select w.id
  into v_missing
  from unnest(documents) as w (id)
  where not exists (select from records.document as d where d.org_id = v_org and d.id = w.id)
  limit 1;
  if found then
    perform core.raise_error('records.document_not_found', jsonb_build_object('id', v_missing));
  end if;

  insert into records.legal_hold_item (org_id, hold_id, crate_id, document_id)
  select v_org, add_hold_items.hold_id, w.id, null
  from (select distinct u.id from unnest(crates) as u (id)) as w
  order by w.id
  on conflict on constraint held_once_by_a_hold do nothing;
  insert into records.legal_hold_item (org_id, hold_id, crate_id, document_id)
  select v_org, add_hold_items.hold_id, null, w.id
  from (select distinct u.id from unnest(documents) as u (id)) as w
  order by w.id
  on conflict on constraint held_once_by_a_hold do nothing;
end
$$;

comment on function records.add_hold_items(uuid, uuid[], uuid[]) is
  'Bring crates and documents under a hold of the organisation; the caller has checked who may';

create or replace function records.lock_hold(id uuid, version integer)
returns records.legal_hold
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_hold records.legal_hold;
begin
  select h.*
  into v_hold
  from records.legal_hold as h
  where h.org_id = core.org_id()
    and h.id = lock_hold.id
  for no key update;
  if not found then
    perform core.raise_error('records.hold_not_found', jsonb_build_object('id', id));
  elsif v_hold.status <> 'ACTIVE' then
    perform core.raise_error('records.hold_released', jsonb_build_object('id', id));
  end if;
  perform core.check_version('legal_hold', version, v_hold.version);
  return v_hold;
end
$$;

comment on function records.lock_hold(uuid, integer) is
  'Locks a hold that is not released and returns it. Raises records.hold_not_found (404), records.hold_released (409), '
  'core.stale_version (412; a null version matches any).';
