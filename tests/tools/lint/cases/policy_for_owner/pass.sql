create table core.careless (org_id uuid not null);
create policy owner_all on core.careless for all to owner
using (org_id = (select core.org_id()));
