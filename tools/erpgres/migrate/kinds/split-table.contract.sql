-- kind: nothing uses the old columns any more
-- set: new, columns
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant
-- breaking: yes (refused while views or functions of the release before use it)
-- backfill: {name}_{new}
-- accept: plan.data_dropped: every value is in {schema}.{new} as well; this one waits for its back-fill, and is refused
--   while a row is left

drop trigger sync_{new} on {table};

-- lint: allow squawk.ban-drop-function: only the trigger called it
drop function {schema}.tg_{name}__sync_{new}();

-- lint: allow squawk.ban-drop-column: nothing uses it any more
alter table {table} {drops};
