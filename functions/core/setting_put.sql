-- Changes a setting of the organisation.

create or replace function api.setting_put(code text, value jsonb default null, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.require_permission('core.setting.update');
  perform core.setting(setting_put.code); -- refuses an unknown code
  if (select d.is_global from core.setting_definition as d where d.code = setting_put.code) then
    perform core.raise_error('core.setting_global', jsonb_build_object('code', setting_put.code));
  end if;
  if setting_put.version is not null then
    perform core.check_version(
      'setting', setting_put.version,
      (
        select s.version
        from core.setting as s
        where s.org_id = core.org_id() and s.code = setting_put.code
        for no key update
      )
    );
  end if;
  if setting_put.value is null or setting_put.value = 'null' then
    delete from core.setting as s where s.org_id = core.org_id() and s.code = setting_put.code;
  else
    insert into core.setting as s (code, value)
    values (setting_put.code, setting_put.value)
    on conflict on constraint setting_pkey do update set value = excluded.value;
  end if;
  return core.setting(setting_put.code);
end
$$;

comment on function api.setting_put(text, jsonb, integer) is
  E'Change a setting of the organisation\n'
  'value: of the JSON type that /settings shows; null or left out goes back to the default. Returns the value that '
  'holds now. Errors: core.permission_missing, core.setting_global (403), core.setting_unknown (404), '
  'core.stale_version (412), core.setting_type (422).';

grant execute on function api.setting_put(text, jsonb, integer) to member, superadmin;
