"""What a job in Python is given."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from erpgres.jobs.settings import Settings


@dataclass(frozen=True)
class Task:
    """One attempt at a run.

    `connection` is the worker's, in autocommit; it holds the lock on the run, so work that goes through it cannot go on
    when another worker has taken over. A job may be run again after any crash: what it does must bear that.
    """

    id: uuid.UUID
    attempt: int
    parameters: dict[str, Any]
    connection: psycopg.Connection[Any]
    settings: Settings
