-- Loads what was staged, for clients.

create or replace function api.import_commit(id uuid, skip_invalid boolean default false)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_rank integer;
  v_loaded jsonb;
  v_problems jsonb := '[]';
  v_inserted integer := 0;
  v_updated integer := 0;
  v_refused integer;
  v_row api.imports;
begin
  perform core.require_permission('core.import.create');
  select i.* into v_import
  from core.import as i
  where i.org_id = core.org_id() and i.id = import_commit.id
  for update;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'import', 'id', import_commit.id));
  elsif v_import.committed_at is not null then
    perform core.raise_error('core.import_committed', jsonb_build_object('id', v_import.id));
  elsif not exists (select from core.import_row as r where r.org_id = v_import.org_id and r.import_id = v_import.id) then
    perform core.raise_error('core.import_expired', jsonb_build_object('id', v_import.id));
  end if;

  -- Once more: what was true when it was staged need not be now.
  perform core.check_import(v_import.id);
  select count(*) into v_refused
  from core.import_row as r
  where r.org_id = v_import.org_id and r.import_id = v_import.id and r.problems is not null;
  if v_refused = 0 or import_commit.skip_invalid then
    begin
      for v_rank in
        select distinct r.rank
        from core.import_row as r
        where r.org_id = v_import.org_id and r.import_id = v_import.id
        order by r.rank
      loop
        v_loaded := core.load_import(v_import.id, 1, 2147483647, v_rank);
        v_inserted := v_inserted + (v_loaded ->> 'inserted')::integer;
        v_updated := v_updated + (v_loaded ->> 'updated')::integer;
        v_problems := v_problems || (v_loaded -> 'problems');
      end loop;
      if v_problems <> '[]' and not import_commit.skip_invalid then
        raise exception using errcode = 'ZZ001', message = 'rows were refused: nothing stays';
      end if;
    exception
      when sqlstate 'ZZ001' then
        perform core.refuse_import_rows(v_import.id, v_problems);
        v_refused := jsonb_array_length(v_problems);
    end;
  end if;
  -- An answer, not an exception: which rows were refused must stay to be read.
  if v_refused > 0 and not import_commit.skip_invalid then
    perform core.count_import(v_import.id);
    return core.answer_error('core.import_rows_refused', jsonb_build_object('id', v_import.id, 'count', v_refused));
  end if;
  perform core.finish_import(v_import.id, v_inserted, v_updated, import_commit.skip_invalid);
  select i.* into v_row from api.imports as i where i.org_id = v_import.org_id and i.id = v_import.id;
  return to_jsonb(v_row);
end
$$;

comment on function api.import_commit(uuid, boolean) is
  E'Load a staged import\n'
  'skip_invalid: load the rows that are not refused; otherwise all or nothing. Rows are loaded with the rights of the '
  'caller, and every rule of the tables holds. Returns the import. Errors: core.permission_missing (403), core.not_found '
  '(404), core.import_committed, core.import_expired (409), core.import_rows_refused (422: /import_rows says why), '
  'core.import_hopeless (422).';

grant execute on function api.import_commit(uuid, boolean) to member, superadmin;
