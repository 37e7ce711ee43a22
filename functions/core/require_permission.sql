-- Stops a function whose caller lacks a permission.

create or replace function core.require_permission(permission text, unit_id uuid default null)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  -- The tools act for nobody when they load data, and so does the worker when a job is due.
  if session_user in ('migrator', 'worker') and core.user_id() is null then
    return;
  end if;
  if not core.has_permission(require_permission.permission, require_permission.unit_id) then
    perform core.raise_error(
      'core.permission_missing', jsonb_build_object('permission', require_permission.permission)
    );
  end if;
end
$$;

comment on function core.require_permission(text, uuid) is
  'Raise core.permission_missing (403) unless the user holds the permission; the tools and jobs without a user pass';

grant execute on function core.require_permission(text, uuid) to partner, member, superadmin, migrator;

create or replace function core.require_permission_once(permission text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_ignored text; -- an assignment takes less than a statement
begin
  if not core.is_granted_already(require_permission_once.permission) then
    v_ignored := core.require_permission(require_permission_once.permission) is null;
    v_ignored := set_config(
      'erpgres.granted',
      concat_ws(
        ' ', require_permission_once.permission, current_setting('role'), core.org_id(),
        nullif(current_setting('request.jwt.claims', true), '')
      ),
      true
    );
  end if;
end
$$;

comment on function core.require_permission_once(text) is
  'As core.require_permission, for a right held everywhere, and remembers until the end of the transaction that these claims '
  'have it, so that the triggers of the rows that a function changes need not ask again.';

grant execute on function core.require_permission_once(text) to partner, member, superadmin, migrator;

create or replace function core.is_granted_already(permission text)
returns boolean
language plpgsql
stable
parallel safe
as $$
begin
  -- Believed where the claims are believed, and for no other claims or role than those that it was found for.
  return session_user in ('authenticator', 'migrator', 'worker')
    and coalesce(
      current_setting('erpgres.granted', true) = concat_ws(
        ' ', is_granted_already.permission, current_setting('role'), core.org_id(),
        nullif(current_setting('request.jwt.claims', true), '')
      ),
      false
    );
end
$$;

comment on function core.is_granted_already(text) is
  'Whether core.require_permission_once has found this permission in this transaction, for the same claims '
  'and organisation.';

grant execute on function core.is_granted_already(text) to partner, member, superadmin, migrator, worker;
