alter table core.item add check (length(name) < 1000);
