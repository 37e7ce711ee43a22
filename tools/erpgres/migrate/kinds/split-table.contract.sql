-- kind: nothing uses the old columns any more
-- set: new, columns
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant
-- breaking: no (views and functions of the release before this one use {new} only; else this is refused)
-- backfill: {name}_{new}

drop trigger sync_{new} on {table};

drop function {schema}.tg_{name}__sync_{new}();

alter table {table} {drops};
