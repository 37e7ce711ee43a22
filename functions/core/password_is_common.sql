-- Whether everybody would guess a password.

create or replace function core.password_is_common(password text)
returns boolean
language plpgsql
stable
parallel safe
as $$
declare
  v_lower text := lower(password_is_common.password);
  v_core text;
  v_form text;
begin
  -- One group of characters again and again says no more than the group.
  v_core := regexp_replace(v_lower, '^(.+?)\1+$', '\1');
  if length(v_core) <= 5 and v_core <> v_lower then
    return true;
  end if;
  foreach v_form in array array[
    v_lower,
    v_core,
    -- What is put before and after a word: digits and signs.
    regexp_replace(v_core, '^[^[:alpha:]]+|[^[:alpha:]]+$', '', 'g'),
    regexp_replace(translate(v_core, '@430!1$57', 'aaeoiisst'), '^[^[:alpha:]]+|[^[:alpha:]]+$', '', 'g'),
    translate(regexp_replace(v_core, '^[^[:alpha:]]+|[^[:alpha:]@$!]+$', '', 'g'), '@430!1$57', 'aaeoiisst'),
    translate(regexp_replace(v_core, '^[^[:alpha:]]+|[^[:alpha:]]+$', '', 'g'), '@430!1$57', 'aaeoiisst'),
    translate(regexp_replace(v_core, '[^[:alnum:]@!$]+', '', 'g'), '@430!1$57', 'aaeoiisst'),
    regexp_replace(v_core, '[^[:alnum:]]+', '', 'g')
  ] loop
    v_form := regexp_replace(v_form, '^(.+?)\1+$', '\1');
    if exists (select from core.common_password as c where c.password = v_form) then
      return true;
    end if;
  end loop;
  -- Runs of the alphabet, the digits and the keyboard, whatever else stands there.
  v_core := regexp_replace(v_lower, '[^[:alnum:]]+', '', 'g');
  v_form := regexp_replace(
    v_core,
    '(01234|12345|23456|34567|45678|56789|67890|98765|87654|76543|65432|54321|43210|abcde|bcdef|cdefg|qwert|werty|asdfg|'
    || 'sdfgh|zxcvb|xcvbn|yuiop|hjkl|qazwsx|1q2w3e|q1w2e3|1qaz|2wsx|3edc)[[:digit:]]*',
    '', 'g'
  );
  return v_form <> v_core and length(v_form) < 6;
end
$$;

comment on function core.password_is_common(text) is
  'Whether a password is in core.common_password as it stands, or without digits and signs around it, with letters for '
  'the signs that stand for them (P@ssw0rd), or without its repetitions; or is made of runs of the keyboard';
