"""The rules of the plan: a stable code each, with what it asks. docs/migrations/plan.md has a paragraph for each."""

from __future__ import annotations

RULES = {
    "plan.blocking_scan": "no table is read from end to end while a lock keeps requests out",
    "plan.rewrite_under_lock": "no table is written anew while requests wait",
    "plan.index_not_concurrent": "an index is built while writers go on",
    "plan.unbatched_write": "many rows are not written in one statement",
    "plan.default_partition": "there is no default partition",
    "plan.data_dropped": "nothing that holds rows is dropped unsaid",
    "plan.lock_queue": "nobody is in the way of a lock now",
    "plan.api_stall": "the views of the API are not away for longer than the budget",
    "plan.breaking_api": "a client that runs now goes on",
    "plan.access_widened": "nobody may see or do more than before, unsaid",
    "plan.lost_index": "the hot queries keep their indexes",
    "plan.costlier_query": "no hot query gets much dearer",
    "plan.data_check": "the data stand nothing in the way",
    "plan.statement_failed": "every statement runs on the live schema",
    "plan.lock_table": "PostgreSQL locks as the lock table says",
    "plan.not_measured": "every statement says what it does",
    "plan.accept_unclear": "an acceptance names a rule and has a reason",
}
