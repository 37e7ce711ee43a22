-- domain: core
-- why: why a partner is on hold or inactive
-- locks: ACCESS EXCLUSIVE on core.partner, instant (no rows yet)
-- breaking: no

alter table core.partner
  add column status_reason text,
  add constraint status_reason_not_blank check (btrim(status_reason) <> ''),
  add constraint status_other_than_active_has_a_reason check (status = 'ACTIVE' or status_reason is not null);

comment on column core.partner.status_reason is 'Why the partner has its present status; required unless it is ACTIVE';
