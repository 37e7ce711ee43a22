-- domain: core
-- why: a step may be barred to who took an earlier one, may need a signature, and its right is held in the unit of the row
-- locks: core.transition, access exclusive for an instant (columns without a default or with a constant one)
-- breaking: no

alter table core.transition add column other_than text[];
alter table core.transition add column needs_signature boolean not null default false;
alter table core.transition add column unit_column text not null default 'unit_id';
-- Null: which permission it takes is said elsewhere, as for the steps of an approval.
-- lint: allow squawk.ban-drop-not-null: one trigger reads it, made anew in the same transaction, and a view that shows it
alter table core.transition alter column permission drop not null;

comment on column core.transition.permission is
  'What a user needs to take the step; null: the function that takes it knows, since it differs from row to row';
comment on column core.transition.other_than is
  'Columns of the row that hold users (uuid or uuid[]) who may not take the step: segregation of duties';
comment on column core.transition.needs_signature is
  'Whether the step is refused unless a signature of the row was used in the same transaction (core.require_signature)';
comment on column core.transition.unit_column is
  'Column of the row with the unit in which the permission must be held; a table without it asks for it everywhere';
