-- kind: nothing uses the old column any more
-- set: column, new
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant
-- breaking: no (views and functions of the release before this one use {new} only; else this is refused)
-- backfill: {name}_{new}

drop trigger sync_{new} on {table};

drop function {schema}.tg_{name}__sync_{new}();

alter table {table} drop column {column};
