"""How fast `erpgres import` is, beside a bare COPY of the same rows: both in one run, in turns.

The bare COPY goes into a table of its own with the columns, defaults, generated columns, constraints, indexes and
foreign keys of core.item, as a superuser, whom row-level security does not bind, and from a file that has its columns
in their order: what PostgreSQL can do with such rows at best, and without looking at them first. The import reads CSV
with a header, stages, checks and loads the rows in one transaction, through all triggers and policies. Each round goes
into a new organisation; the two take turns in going first.

The search finds the rows of a large import after its commit: core.fill_search, a job of the worker, brings them. That
is run here right after each import, until nothing waits, and is a figure of its own: the ratio is that of the import,
a second one says what it is when both are counted. The bare COPY brings nothing into any search.

Counted is CPU time, of the server process and of this one, where Linux tells that of the server, so that other work on
the machine matters less; else the time on the clock, which is shown in any case. The database is a scratch one on the
stack's cluster. The memory is that of this process, which reads the file.
"""

from __future__ import annotations

import csv
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.files import importing
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Say = Callable[[str], None]

TARGET = 0.5
COLUMNS = ("sku", "name", "class", "unit_code", "tracking", "shelf_life_days", "price", "currency")
_CLASSES = ("GOODS", "YARN", "FABRIC", "TRIM", "ACCESSORY", "PACKING", "FINISHED_GOODS", "COMMODITY")
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Measured:
    """Medians in seconds, medians of the paired ratios of speed (import : bare COPY), and the memory it took."""

    rows: int
    rounds: int
    counted: str
    import_seconds: float  # as counted
    copy_seconds: float
    ratio: float
    clock_import_seconds: float
    clock_copy_seconds: float
    clock_ratio: float
    search_seconds: float  # bringing the rows into the search after the commit, as counted
    ratio_with_search: float  # when import and that are counted together
    memory_mb: float  # how much the process grew while the first file was imported

    @property
    def is_under(self) -> bool:
        """Whether it misses the target."""
        return self.ratio < TARGET


def run(state: State, rows: int, rounds: int, say: Say) -> Measured:
    """Measure both ways of getting `rows` items into the database; raises CannotRun without a superuser."""
    with (
        scratch(state, say) as name,
        tempfile.TemporaryDirectory(prefix="erpgres-bench-") as folder,
        database.connect(state.dsn("postgres", name), autocommit=True) as connection,
    ):
        if connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            raise CannotRun("the comparison needs a superuser, who may copy into any table", "use a local stack")
        say(f"writing a file of {rows:,} items")
        path = Path(folder) / "items.csv"
        write(path, rows)
        make_bare(connection)
        _bring(state.dsn("worker", name), connection, None)  # what the migration left to be brought: nothing, in parts
        times: dict[str, list[tuple[float, float]]] = {"import": [], "copy": []}
        search: list[float] = []
        memory = 0.0
        for number in range(rounds):
            for way in ("import", "copy") if number % 2 == 0 else ("copy", "import"):
                code = f"R{number}{way[0].upper()}"
                org_id = _new_organization(connection, code)
                connection.execute("checkpoint")
                server, before = _Server(connection), _memory()
                began, cpu = time.perf_counter(), time.process_time()
                if way == "import":
                    done = importing.run(
                        state.dsn("migrator", name), "items", path, code, None, importing.Options(), server.watch
                    )
                    if (done.inserted, done.refused) != (rows, 0):
                        raise CannotRun(f"{done.inserted} of {rows} rows were loaded: {done.first_problems}")
                    memory = memory or _memory() - before
                else:
                    with server.watch("copying", rows):
                        copy_bare(connection, path, org_id)
                clock = time.perf_counter() - began
                times[way].append((time.process_time() - cpu + server.seconds if server.is_told else clock, clock))
                say(f"round {number + 1}, {way}: {clock:.1f} s, counted {times[way][-1][0]:.1f} s")
                if way == "import":
                    search.append(_bring(state.dsn("worker", name), connection, org_id))
                    say(f"round {number + 1}, into the search: counted {search[-1]:.1f} s")
    counted, clocks = ({way: [pair[place] for pair in pairs] for way, pairs in times.items()} for place in (0, 1))
    both = {
        "import": [one + more for one, more in zip(counted["import"], search, strict=True)], "copy": counted["copy"]
    }  # fmt: skip
    return Measured(
        rows, rounds, "CPU time of server and tool" if server.is_told else "time on the clock",
        *_compared(counted), *_compared(clocks), statistics.median(search), _compared(both)[2], memory,
    )  # fmt: skip


def _compared(times: dict[str, list[float]]) -> tuple[float, float, float]:
    """Return the medians of both ways, and that of the ratios of speed."""
    ratios = [copied / imported for imported, copied in zip(times["import"], times["copy"], strict=True)]
    return statistics.median(times["import"]), statistics.median(times["copy"]), statistics.median(ratios)


def _bring(dsn: str, connection: Connection, org_id: uuid.UUID | None) -> float:
    """Bring what was imported into the search as the worker does; returns the seconds it took."""
    with database.connect(dsn, autocommit=True) as worker:
        server = _Server(worker)
        began = server.now()
        while worker.execute("select core.fill_search()").fetchone() != (0,):
            pass
        seconds = server.now() - began
    connection.execute("analyze core.item, core.searchable")  # or the rows are looked for one by one among all others
    missing = connection.execute(
        "select count(*) from core.item as i where i.org_id = %s and not exists (select from core.searchable as s"
        " where s.org_id = i.org_id and s.entity = 'item' and s.id = i.id)",
        [org_id],
    ).fetchone()
    if missing != (0,):
        raise CannotRun(f"the search lacks {missing and missing[0]} of the rows")
    return seconds


class _Server:
    """The CPU time of the server process that is at work in the scratch database besides ours, or of ours."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._began = 0.0
        self.seconds = 0.0
        self.is_told = connection.info.host.startswith("/") and Path("/proc/self/schedstat").is_file()

    @contextmanager
    def watch(self, phase: str, rows: int | None) -> Iterator[Callable[[int], None]]:
        """Take note of the time at both ends of a phase; it is what importing reports its progress to."""
        row = self._connection.execute(
            "select pid from pg_stat_activity"
            " where datname = current_database() and application_name = 'erpgres import'"
        ).fetchone()
        pid = self._connection.info.backend_pid if row is None else int(row[0])
        if row is None:
            self._began = self._told(pid)
        yield lambda done: None
        if row is not None or phase == "copying":
            self.seconds = self._told(pid) - (self._began if phase == "copying" else 0.0)

    def now(self) -> float:
        """Return how much CPU time our own session has had, or the clock where nobody tells."""
        return self._told(self._connection.info.backend_pid) if self.is_told else time.perf_counter()

    def _told(self, pid: int) -> float:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 if self.is_told else 0.0


@contextmanager
def scratch(state: State, say: Say) -> Iterator[str]:
    """Make a migrated database and give its name; it is dropped in the end."""
    from erpgres.migrate import cluster, runner

    name = f"bench_import_{uuid.uuid4().hex[:8]}"
    say(f"making the scratch database {name}")
    try:
        cluster.apply(state.dsn("postgres"), state.secret, name)
        runner.migrate(state.dsn("migrator", name))
        yield name
    finally:
        with database.connect(state.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def write(path: Path, rows: int) -> None:
    """Write a CSV file of items; names come in no order, prices and shelf lives here and there."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number in range(rows):
            shuffled = number * 2_654_435_761 % 4_294_967_296
            lot = number % 3 == 0
            writer.writerow((
                f"SKU-{number:08d}", f"Item {shuffled:010d}, of {_CLASSES[shuffled % 8].lower()}",
                _CLASSES[number % 8], ("H87", "KGM", "MTR")[number % 3], "LOT" if lot else "NONE",
                number % 700 + 1 if lot else "", f"{shuffled % 100_000 / 100:.2f}", "USD",
            ))  # fmt: skip


def make_bare(connection: Connection) -> None:
    """Make a table like core.item, foreign keys included, without triggers and row-level security."""
    connection.execute("create table public.bare_item (like core.item including all)")
    for name, definition in connection.execute(
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = 'core.item'::regclass and contype = 'f'"
    ).fetchall():
        connection.execute(
            sql.SQL("alter table public.bare_item add constraint {} ").format(sql.Identifier(name))
            + sql.SQL(definition)
        )
    connection.execute(  # the import asks for the user once, too
        "alter table public.bare_item"
        " alter column created_by set default null, alter column updated_by set default null"
    )


def copy_bare(connection: Connection, path: Path, org_id: uuid.UUID) -> None:
    """COPY the file as it is; the organisation is a constant default."""
    connection.execute(
        sql.SQL("alter table public.bare_item alter column org_id set default {}").format(sql.Literal(str(org_id)))
    )
    statement = sql.SQL("copy public.bare_item ({}) from stdin (format csv, header)").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        while block := file.read(_BLOCK):
            copy.write(block)


def _new_organization(connection: Connection, code: str) -> uuid.UUID:
    row = connection.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, code]).fetchone()
    assert row is not None
    org_id: uuid.UUID = row[0]
    return org_id


def _memory() -> float:
    """Return the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
