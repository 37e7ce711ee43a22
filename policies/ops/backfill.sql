-- Back-fills that migrations ordered. Of no organisation, hence no row level security.

grant select (name, state) on ops.backfill to worker;

-- no write for anybody but the owner: migrations order, and who works one off (migrator) becomes owner to write how far it is
