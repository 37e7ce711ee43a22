"""The worker as a process: its account, its log, its signals."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import pkgutil
import signal
import sys
import threading
from types import FrameType

from erpgres.jobs import WORKER, settings, tasks, worker
from erpgres.stack import privileges
from erpgres.stack.state import State

# What the standard library and psycopg import at first use: it must be there before the account changes, which may be
# unable to reach the checkout.
_LATER = (
    "encodings.idna", "encodings.punycode", "encodings.ascii", "encodings.latin_1",
    "email.mime.text", "email.generator", "email.policy",
    "email.contentmanager", "email.base64mime", "email.quoprimime", "http.client", "psycopg.types.json", "smtplib",
    "stringprep", "zoneinfo._tzpath", "zoneinfo._common", "traceback",
)  # fmt: skip


def run(state: State, database_url: str | None, migrator_url: str | None) -> None:
    """Work until SIGTERM or SIGINT, then finish what is being done: in the stack's database or in another."""
    _prepare(state)
    told = _told(state, database_url, migrator_url)
    dsn = database_url or state.dsn("worker")
    privileges.drop(state.account)
    work = worker.Worker(dsn, told)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    log = logging.getLogger("erpgres.worker")
    log.info("working%s", "" if told.mail else "; no mail server is set, messages wait")
    work.start()
    stop.wait()
    finished = work.stop(patience=8.0)
    log.info("ended%s", "" if finished else ", leaving something undone that is taken up again")
    sys.stderr.flush()
    os._exit(0)  # a thread that still waits for somebody else's answer must not keep the process


def once(state: State, database_url: str | None, migrator_url: str | None) -> int:
    """Do all that waits now, as the same account; return how many pieces of work that were."""
    _prepare(state)
    told = _told(state, database_url, migrator_url)
    dsn = database_url or state.dsn("worker")
    privileges.drop(state.account)
    return worker.once(dsn, told)


def _told(state: State, database_url: str | None, migrator_url: str | None) -> settings.Settings:
    """Return the settings, with the login that back-fills are done with: of the stack's database, or the one given."""
    told = settings.load(state)
    if told.backfill_share > 0:
        own = state.dsn("migrator") if database_url is None else None
        told = dataclasses.replace(told, migrator=migrator_url or own)
    return told


def _prepare(state: State) -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in (*_LATER, *(f"{tasks.__name__}.{found.name}" for found in pkgutil.iter_modules(tasks.__path__))):
        importlib.import_module(name)
    privileges.name_process(WORKER)
