-- What approvals are asked for. The same for all organisations, hence no row level security.

grant select on core.approval_entity to member, partner, superadmin;
grant select, insert, update, delete on core.approval_entity to migrator;

-- no write for anybody else: the rows come from sql/reference
