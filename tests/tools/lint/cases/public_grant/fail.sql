grant select on core.country to public;
