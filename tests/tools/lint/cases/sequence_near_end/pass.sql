create sequence core.ticket;
select setval('core.ticket', 20000);
create sequence core.turn as smallint cycle;
select setval('core.turn', 20000);
