create sequence core.ticket as smallint;
select setval('core.ticket', 20000);
