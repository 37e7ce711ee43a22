-- The next gapless document number.

create or replace function core.next_number(
  document_type text,
  entity_id uuid,
  unit_id uuid default null,
  on_date date default null
)
returns text
language plpgsql
volatile
parallel unsafe
as $$
begin
  return (
    core.next_numbers(
      next_number.document_type, array[next_number.entity_id], next_number.unit_id, next_number.on_date
    )
  )[1];
end
$$;

comment on function core.next_number(text, uuid, uuid, date) is
  'The next number of a document type for the document entity_id: core.next_numbers for one.';

grant execute on function core.next_number(text, uuid, uuid, date) to partner, member, superadmin, migrator;
