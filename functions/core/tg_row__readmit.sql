-- Shuts sessions out, or lets them in again, when what they stand on changes.

create or replace function core.tg_row__readmit()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_row record := coalesce(new, old);
begin
  case tg_table_name
    when 'app_user' then perform core.readmit(v_row.id, v_row.id, null);
    when 'membership' then perform core.readmit(v_row.user_id, v_row.user_id, v_row.org_id);
    when 'organization' then perform core.readmit(v_row.id, null, v_row.id);
    when 'partner' then
      perform core.readmit(v_row.id, m.user_id, m.org_id)
      from core.membership as m
      where m.org_id = v_row.org_id and m.partner_id = v_row.id;
    when 'api_key' then perform core.readmit(v_row.id, v_row.user_id, v_row.org_id);
  end case;
  return null;
end
$$;

comment on function core.tg_row__readmit() is
  'AFTER ROW trigger of the tables that core.is_admitted reads: decides anew about the open sessions concerned.';
