-- The rules that a new password keeps.

create or replace function core.check_password_rules(password text, email text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_password text := normalize(coalesce(check_password_rules.password, ''), nfkc);
  v_local text := lower(split_part(check_password_rules.email, '@', 1));
  v_broken text[] := array_remove(
    array[
      case when length(v_password) < (core.installation_setting('core.password_length') #>> '{}')::integer then 'length' end,
      case when length(v_password) > 256 then 'length_max' end,
      case when v_password !~ '[[:lower:]]' then 'lower' end,
      case when v_password !~ '[[:upper:]]' then 'upper' end,
      case when v_password !~ '[[:digit:]]' then 'digit' end,
      case when v_password !~ '[^[:alnum:]]' then 'other' end,
      case when length(v_local) >= 3 and strpos(lower(v_password), v_local) > 0 then 'email' end,
      case when core.password_is_common(left(v_password, 256)) then 'common' end
    ],
    null
  );
begin
  if cardinality(v_broken) > 0 then
    perform core.raise_error('core.password_weak', jsonb_build_object('rules', array_to_string(v_broken, ', ')));
  end if;
end
$$;

comment on function core.check_password_rules(text, text) is
  'Raise core.password_weak (422), with the broken rules, unless the password has 12 to 256 characters, small and capital '
  'letters, digits and other characters, is not common and does not hold the name in the e-mail address';

grant execute on function core.check_password_rules(text, text) to migrator;
grant execute on function core.password_is_common(text) to migrator;
