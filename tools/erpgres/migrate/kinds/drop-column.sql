-- kind: drop a column that nothing uses any more
-- set: column, reason
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; the space is freed as rows are written again
-- breaking: yes (refused while views or functions of the release before use it)
-- apply: ahead
-- accept: plan.data_dropped: {reason}

-- lint: allow squawk.ban-drop-column: nothing uses it any more
alter table {table} drop column {column};
