"""Works back-fills off that migrations ordered, a slice of time at each run: the next run goes on where this one was.

Rows are written as migrator, since only its policies show those of every organisation; a worker without that login
leaves back-fills to one that has it, or to `erpgres migrate backfill`. The parameter `name` asks for one of them.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any

from erpgres.errors import Refused
from erpgres.jobs.task import Task
from erpgres.migrate import backfill, runner
from erpgres.migrate.session import Session

SECONDS = 45.0
_log = logging.getLogger("erpgres.backfill")


def run(task: Task) -> dict[str, Any]:
    """Work for SECONDS at the most and return how each back-fill stands.

    Raises Refused with the reasons of those that failed, when all the others had their turn. One that failed is left to
    the later attempts of the run that saw it fail, and to who asks for it by name, until somebody resumes it.
    """
    until = time.monotonic() + SECONDS
    dsn, share = task.settings.migrator, task.settings.backfill_share
    if dsn is None or share <= 0:
        return {"left": "this worker does no back-fills"}
    waiting = task.connection.execute("select exists (select from ops.backfill where state = 'PENDING')").fetchone()
    if waiting != (True,):
        return {}
    wanted = task.parameters.get("name")
    throttle = dataclasses.replace(backfill.Throttle(), share=share)
    found: dict[str, Any] = {}
    failures: list[str] = []
    with Session(dsn, application_name="erpgres backfill") as session:
        runner.settle(session)
        for row in backfill.pending(session):
            if wanted not in (None, row.name) or time.monotonic() >= until:
                continue
            if row.error and task.attempt == 1 and wanted is None:
                found[row.name] = "failed before: erpgres migrate backfill resume lets it go on"
                continue
            try:
                now = backfill.run(session, row.name, throttle, _log.info, until=until)
            except backfill.Busy:
                found[row.name] = "another session works on it"
            except Refused as error:
                failures.append(error.message)
            else:
                found[row.name] = f"{now.state.lower()}, {now.rows_done} rows, {now.percent} %"
    if failures:
        raise Refused("; ".join(failures))
    return found
