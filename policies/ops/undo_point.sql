-- Undo points. Of no organisation, hence no row level security.

grant select, insert on ops.undo_point to migrator;

-- no update, no delete: what was marked stays marked; nothing for anybody else
