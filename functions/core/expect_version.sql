-- If-Match: a change is made only if the row is still as the client read it.

create or replace function core.expect_version(if_match text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_table text;
  v_version text := substring(expect_version.if_match from '^\s*"?([0-9]{1,9}|\*)"?\s*$');
  v_ignored text;
begin
  if current_setting('request.method', true) in ('PATCH', 'DELETE') then
    select a.versioned_table into v_table
    from core.api_source as a
    where a.view_name = substr(current_setting('request.path', true), 2);
  end if;
  if v_table is null then
    perform core.raise_error('core.if_match_unsupported');
  elsif v_version is null then
    perform core.raise_error('core.if_match_malformed', jsonb_build_object('value', left(expect_version.if_match, 100)));
  end if;
  v_ignored := set_config('erpgres.if_match', v_table::regclass::oid || ' ' || v_version, true);
end
$$;

comment on function core.expect_version(text) is
  'Let the triggers expect_version and expect_row of the table that this PATCH or DELETE changes look whether its row has '
  'the version of If-Match. Raises core.if_match_unsupported or core.if_match_malformed (400).';

create or replace function core.tg_row__expect_version()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_expected text := current_setting('erpgres.if_match');
  v_table text := coalesce(pg_partition_root(tg_relid), tg_relid)::oid::text;
  v_version text := split_part(v_expected, ' ', 2);
  v_ignored text;
begin
  -- What other triggers change besides is none of the client's.
  if pg_trigger_depth() = 1 and split_part(v_expected, ' ', 1) = v_table then
    if v_version = 'met' then
      perform core.raise_error('core.if_match_several');
    elsif v_version <> '*' and v_version <> old.version::text then
      perform core.raise_error(
        'core.stale_version',
        jsonb_build_object('table', tg_table_name, 'version', v_version::integer, 'current_version', old.version)
      );
    end if;
    v_ignored := set_config('erpgres.if_match', v_table || ' met', true);
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  return new;
end
$$;

comment on function core.tg_row__expect_version() is
  'BEFORE UPDATE, DELETE of a request with If-Match: another version is core.stale_version (412), a second row '
  'core.if_match_several (400)';

create or replace function core.tg_row__expect_row()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_expected text := current_setting('erpgres.if_match');
  v_ignored text;
begin
  if pg_trigger_depth() = 1 and split_part(v_expected, ' ', 1) = tg_relid::oid::text then
    if split_part(v_expected, ' ', 2) <> 'met' then
      perform core.raise_error('core.if_match_gone');
    end if;
    v_ignored := set_config('erpgres.if_match', '', true);
  end if;
  return null;
end
$$;

comment on function core.tg_row__expect_row() is
  'AFTER UPDATE, DELETE of a request with If-Match: no row is core.if_match_gone (412)';
