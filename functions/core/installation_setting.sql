-- Settings of the installation.

-- Definer: functions obey settings on behalf of users who may not read them.
create or replace function core.installation_setting(code text)
returns jsonb
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_value jsonb;
begin
  select coalesce(i.value, d.default_value)
  into v_value
  from core.setting_definition as d
  left join core.installation_setting as i on i.code = d.code
  where d.code = installation_setting.code;
  if not found then
    perform core.raise_error('core.setting_unknown', jsonb_build_object('code', installation_setting.code));
  end if;
  return v_value;
end
$$;

comment on function core.installation_setting(text) is
  'The value that a setting has in the installation, whatever an organisation says. Raises core.setting_unknown (404).';

grant execute on function core.installation_setting(text) to migrator, worker, monitor;
