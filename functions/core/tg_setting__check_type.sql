-- A setting keeps the type of its definition, whoever writes it.

create or replace function core.tg_setting__check_type()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_type text;
begin
  select d.value_type into v_type from core.setting_definition as d where d.code = new.code;
  if v_type <> jsonb_typeof(new.value) then
    perform core.raise_error(
      'core.setting_type',
      jsonb_build_object('code', new.code, 'expected', v_type, 'given', jsonb_typeof(new.value))
    );
  end if;
  return new;
end
$$;

comment on function core.tg_setting__check_type() is
  'BEFORE INSERT OR UPDATE OF value: the JSON type must be that of the definition, else core.setting_type (422)';
