grant select on core.country to monitor;
