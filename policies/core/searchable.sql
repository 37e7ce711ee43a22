-- Read and written by functions of the owner alone, which name the organisation themselves: a condition here would take
-- the indexes away from text search and LIKE, which are not leakproof.

create policy owner_select on core.searchable
for select to owner
using (true);

create policy owner_insert on core.searchable
for insert to owner
with check (true);

create policy owner_delete on core.searchable
for delete to owner
using (true);

-- no update: an entry that changes is made anew
-- no right for anybody else: api.search asks core.find_entries, and shows what the tables themselves show the caller
