-- Answers kept for requests that come again: written and read by core.begin_idempotent and core.keep_answer only.

grant select on core.idempotency to migrator;

-- One's own requests in one's own organisation. A SUPER_ADMIN need not be in one.
create policy owner_all on core.idempotency for all to owner
using (
  org_id = coalesce((select core.org_id()), '00000000-0000-0000-0000-000000000000'::uuid)
  and user_id = (select core.user_id())
)
with check (
  org_id = coalesce((select core.org_id()), '00000000-0000-0000-0000-000000000000'::uuid)
  and user_id = (select core.user_id())
);

create policy migrator_select on core.idempotency for select to migrator
using (true);

-- nothing for anybody else: an answer is given again to whoever had it first, by the request that comes again
