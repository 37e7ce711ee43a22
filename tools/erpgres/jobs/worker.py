"""The worker: loops that look for work, each with a session of its own, until they are told to stop."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from erpgres.jobs import messages, outbound, runs, webhooks
from erpgres.jobs.settings import Settings

_log = logging.getLogger("erpgres.worker")

RUNNERS = 3  # one of them may be at a back-fill, most of each minute
SENDERS = 4
_EVENTS_AT_ONCE = 1000
_LONGEST_PAUSE = 30.0

# A step does work that waits, and says how many pieces that were.
Step = Callable[[psycopg.Connection[Any]], int]


@dataclass(frozen=True)
class Loop:
    """One kind of work: `step` is called until it finds fewer than `at_once` pieces, then again after `seconds`."""

    name: str
    step: Step
    seconds: float
    at_once: int = 1


def loops(settings: Settings) -> list[Loop]:
    """Return all loops of a worker."""
    name = f"{socket.gethostname()} {os.getpid()}"

    def plan(connection: psycopg.Connection[Any]) -> int:
        runs.plan(connection)
        return 0  # what is due now has been planned

    def run(connection: psycopg.Connection[Any]) -> int:
        return runs.run_next(connection, settings, name)

    def deliver(connection: psycopg.Connection[Any]) -> int:
        return messages.deliver_next(connection, settings)

    def read(function: str) -> Step:
        query = sql.SQL("select {}(%s)").format(sql.Identifier("events", function))

        def step(connection: psycopg.Connection[Any]) -> int:
            row = connection.execute(query, [_EVENTS_AT_ONCE]).fetchone()
            return row[0] if row else 0

        return step

    context = outbound.certificates()

    def send(connection: psycopg.Connection[Any]) -> int:
        return webhooks.serve_next(connection, context)

    return [
        Loop("plan", plan, 1.0),
        *(Loop(f"run {number}", run, 1.0) for number in range(1, RUNNERS + 1)),
        Loop("messages", deliver, 1.0),
        # Where somebody always writes, a reader that comes back at once finds an event or two each time.
        Loop("notifications", read("make_notifications"), 0.5, _EVENTS_AT_ONCE),
        Loop("deliveries", read("plan_deliveries"), 0.5, _EVENTS_AT_ONCE),
        *(Loop(f"send {number}", send, 0.5) for number in range(1, SENDERS + 1)),
    ]


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Connect as the worker: in autocommit, and with a server that notices when this process has gone."""
    options = {
        "client_connection_check_interval": "1s",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        # Each job has a limit of its own; the role's, for a whole transaction, would come on top of it.
        "transaction_timeout": "0",
    }
    connection: psycopg.Connection[Any] = psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, application_name="erpgres-worker"
    )
    for name, value in options.items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    return connection


def once(dsn: str, settings: Settings) -> int:
    """Do all that waits now, and return how many pieces of work that were. Raises psycopg.Error."""
    count = 0
    every = loops(settings)
    with connect(dsn) as connection:
        busy = True
        while busy:
            busy = False
            for loop in every:
                while done := loop.step(connection):
                    busy = True
                    count += done
    return count


class Worker:
    """Runs every loop in a thread of its own."""

    def __init__(self, dsn: str, settings: Settings) -> None:
        self._dsn = dsn
        self._settings = settings
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the loops. They outlive a database that goes away and comes back."""
        for loop in loops(self._settings):
            thread = threading.Thread(target=self._turn, args=(loop,), name=loop.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, patience: float) -> bool:
        """Let each loop finish the piece it is at; return whether all did within `patience` seconds."""
        self._stopping.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _turn(self, loop: Loop) -> None:
        pause = 0.0
        connection: psycopg.Connection[Any] | None = None
        while not self._stopping.wait(pause):
            try:
                if connection is None or connection.closed:
                    connection = connect(self._dsn)
                pause = 0.0 if loop.step(connection) >= loop.at_once else loop.seconds
            except Exception as error:
                # One loop's trouble is not another's: it starts afresh, after a pause that grows.
                pause = min(max(1.0, pause * 2), _LONGEST_PAUSE)
                _log.error("%s: %s: %s", loop.name, type(error).__name__, str(error).strip().replace("\n", " | "))
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()
