-- Trigger of the signatures and of their uses.

create or replace function core.tg_signature__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('core.signature_immutable', jsonb_build_object('operation', tg_op));
  return null;
end
$$;

comment on function core.tg_signature__refuse() is 'Refuses UPDATE, DELETE and TRUNCATE of signatures, to their owner too';
