-- Stops who asks about a record that he does not see.

create or replace function core.require_visible(entity text, entity_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_entity core.event_entity;
  v_is_visible boolean := false;
begin
  select e.* into v_entity from core.event_entity as e where e.entity = require_visible.entity;
  if v_entity.table_name is not null then
    begin
      execute format(
        'select exists (select from %I.%I as t where t.%I = $1 and t.%I = $2)',
        split_part(v_entity.table_name, '.', 1), split_part(v_entity.table_name, '.', 2),
        v_entity.org_column, v_entity.id_column
      )
      into v_is_visible
      using core.org_id(), require_visible.entity_id;
    exception
      when insufficient_privilege then
        v_is_visible := false; -- a table that his role does not read at all
    end;
  end if;
  if not v_is_visible then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', require_visible.entity, 'id', require_visible.entity_id)
    );
  end if;
end
$$;

comment on function core.require_visible(text, uuid) is
  'Raise core.not_found (404) unless the caller, with his own rights, sees the row of that entity (core.event_entity)';

grant execute on function core.require_visible(text, uuid) to partner, member, superadmin, migrator;
