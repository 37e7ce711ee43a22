-- Read and written by functions of the owner alone, which name the organisation themselves: a condition here would take
-- the index away from similarity, which is not leakproof.

create policy owner_select on core.search_word
for select to owner
using (true);

create policy owner_insert on core.search_word
for insert to owner
with check (true);

-- no update, delete: a word that is used no more finds nothing
-- no right for anybody else: core.find_entries reads it
