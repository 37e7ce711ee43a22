-- Settings of the organisation.

-- Definer: functions obey settings on behalf of users who may not read them.
create or replace function core.setting(code text)
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
  select coalesce(s.value, i.value, d.default_value)
  into v_value
  from core.setting_definition as d
  left join core.installation_setting as i on i.code = d.code
  left join core.setting as s on s.org_id = core.org_id() and s.code = d.code
  where d.code = setting.code;
  if not found then
    perform core.raise_error('core.setting_unknown', jsonb_build_object('code', setting.code));
  end if;
  return v_value;
end
$$;

comment on function core.setting(text) is
  'The value of a setting: the organisation''s, else the installation''s, else the default. Raises core.setting_unknown (404).';

grant execute on function core.setting(text) to partner, member, superadmin, migrator;

-- Definer: as core.setting.
create or replace function core.settings(codes text[])
returns jsonb
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_object_agg(d.code, coalesce(s.value, i.value, d.default_value))
  from core.setting_definition as d
  left join core.installation_setting as i
    on i.code = d.code
  left join core.setting as s
    on s.org_id = (select core.org_id())
    and s.code = d.code
  where d.code = any (settings.codes);
end;

comment on function core.settings(text[]) is
  'The values of several settings, as core.setting gives them, by code; what there is no definition of is left out.';

grant execute on function core.settings(text[]) to partner, member, superadmin, migrator;
