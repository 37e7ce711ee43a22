alter table core.item add constraint name_not_long check (length(name) < 1000) not valid;
