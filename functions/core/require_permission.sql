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
