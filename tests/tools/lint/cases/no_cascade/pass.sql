-- path: migrations/V9001__core_case.sql
alter table core.item drop column note;
alter table core.item add constraint unit_of_item foreign key (org_id, unit_id)
references core.org_unit (org_id, id) on delete set null (unit_id);
