-- kind: drop a table that nothing uses any more
-- set: reason
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table} and the tables that its foreign keys point at, access exclusive for an instant
-- breaking: yes (refused while views or functions of the release before use it)
-- apply: ahead
-- accept: plan.data_dropped: {reason}

-- lint: allow squawk.ban-drop-table: nothing uses it any more
drop table {table};
