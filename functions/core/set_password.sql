-- Gives a user a password.

create or replace function core.set_password(user_id uuid, password text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_kept integer := (core.installation_setting('core.password_history') #>> '{}')::integer;
  v_email text;
  v_present text;
  v_hash text;
begin
  select u.email into v_email from core.app_user as u where u.id = set_password.user_id;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'user', 'id', set_password.user_id));
  end if;
  perform core.check_password_rules(set_password.password, v_email);

  select c.password_hash into v_present from core.credential as c where c.user_id = set_password.user_id for update;
  for v_hash in
    select h.password_hash
    from (
      select v_present as password_hash, null::uuid as id
      union all
      select h.password_hash, h.id from core.password_history as h where h.user_id = set_password.user_id
    ) as h
    where h.password_hash is not null
    order by h.id desc nulls first
    limit v_kept
  loop
    if core.password_matches(set_password.password, v_hash) then
      perform core.raise_error('core.password_used_before', jsonb_build_object('count', v_kept));
    end if;
  end loop;

  if v_present is not null then
    insert into core.password_history (user_id, password_hash) values (set_password.user_id, v_present);
    delete from core.password_history as h
    where h.user_id = set_password.user_id
      and h.id not in (
        select k.id
        from core.password_history as k
        where k.user_id = set_password.user_id
        order by k.id desc
        limit greatest(v_kept - 1, 0)
      );
  end if;
  insert into core.credential (user_id, password_hash)
  values (set_password.user_id, core.hash_password(set_password.password))
  on conflict on constraint credential_pkey do update
  set password_hash = excluded.password_hash, changed_at = now();
end
$$;

comment on function core.set_password(uuid, text) is
  'Set the password of a user without asking for the old one. Raises core.not_found (404), core.password_weak (422), '
  'core.password_used_before (422: one of the last five).';

grant execute on function core.set_password(uuid, text) to migrator;
