"""The TPC-H data set as the business of one organisation: customers, suppliers, items, and every order a posted sale.

DuckDB's TPC-H extension generates the data in the process, without a network (`tpch_rows`). Ids are version 7 UUIDs
with the dates of the data (1992 to 1998), made of the organisation's code, the kind of row and its number: the same
code and scale give the same ids. All is loaded in one transaction: whatever ends it early leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row

from erpgres import verify
from erpgres.data import beside, bulk
from erpgres.data.binary import Query
from erpgres.data.bulk import Partition, Pipeline, Table
from erpgres.data.tpch_rows import CURRENCY, Pattern, Places, Rows
from erpgres.database import connect, reason
from erpgres.errors import CannotRun, Refused

CODE = "TPCH"
SMALLEST, LARGEST = 0.001, 10.0
COUNTRY = "US"
BORN = datetime(1992, 1, 1, tzinfo=UTC)  # the moment that ids of master data carry

DOCUMENT, LINE, LEDGER = Table("wms", "document"), Table("wms", "document_line"), Table("wms", "stock_ledger")
PARTITIONED = (DOCUMENT, LINE, LEDGER)
KINDS = {"IMPORT": "wms.import", "SALE": "wms.sale"}

# What posting adds to a draft, or a trigger keeps.
_OF_POSTING = ("status", "number", "posted_at", "line_count", "total", "updated_at")
_LOCK_KEY = 4_711_202_602  # advisory lock: one load at a time
_ATTACH_KEY = 4_711_202_603  # advisory lock: that the second connection still has to commit

Advance = Callable[[int], None]
Progress = Callable[[str, int | None], AbstractContextManager[Advance]]


@contextmanager
def silent(name: str, rows: int | None) -> Iterator[Advance]:
    """Report no progress."""
    yield lambda rows: None


@dataclass
class Loaded:
    """What was loaded: rows by kind, seconds by phase, seconds of the transaction and of it all, and the invariants."""

    organization: str
    org_id: UUID
    administrator: str
    scale: float
    rows: dict[str, int] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    load_seconds: float = 0.0
    seconds: float = 0.0
    findings: list[verify.Finding] = field(default_factory=list)

    @property
    def lines_per_second(self) -> int:
        """Document lines by the seconds of the transaction."""
        return round(self.rows["lines"] / self.load_seconds)

    @property
    def violated(self) -> list[verify.Finding]:
        """The invariants that do not hold or could not be checked."""
        return [finding for finding in self.findings if not finding.holds]


def load(dsn: str, scale: float, code: str = CODE, progress: Progress = silent) -> Loaded:
    """Generate the data at a scale and load it into a new organisation; check the invariants of wms afterwards.

    `dsn` is migrator's. `progress(name, rows)` is entered for each phase, `rows` being how many to expect, and yields
    what takes the number of rows done. Raises Refused for a scale out of range, a code that is none and an organisation
    that is there already, CannotRun when the database or the scratch directory is not up to it.
    """
    if not SMALLEST <= scale <= LARGEST:
        raise Refused(f"no such scale: {scale:g}", f"from {SMALLEST:g} (6,000 order lines) to {LARGEST:g} (60 million)")
    began = time.monotonic()
    dsn = make_conninfo(dsn, application_name="erpgres load tpch")
    loaded = Loaded(code, UUID(int=0), administrator(code), scale)
    with connect(dsn, autocommit=True) as connection, connect(dsn) as second:
        _check(connection, code)
        for session in (connection, second):
            with contextlib.suppress(psycopg.Error):  # not on every platform: a session whose client is gone ends early
                session.execute("set client_connection_check_interval = '1s'")
            second.commit()
        with tempfile.TemporaryDirectory(prefix="erpgres-tpch-") as scratch, _interruptible():
            rows = Rows(Path(scratch), scale, code, BORN)
            try:
                run = _Run(connection, rows, loaded, progress)
                run.generate()
                run.load(second)
            except (psycopg.Error, duckdb.Error) as error:
                raise CannotRun(f"the load failed and left nothing behind: {_reason(error)}") from error
            finally:
                rows.close()
    try:
        run.analyze(dsn)
        with run.phase("invariants", None):
            loaded.findings = verify.run(dsn, ["wms"])
    except (KeyboardInterrupt, psycopg.Error) as error:
        raise Refused(
            "the data are loaded, but not checked: " + (_reason(error) or "interrupted"), "`erpgres verify wms`"
        ) from error
    loaded.seconds = round(time.monotonic() - began, 3)
    return loaded


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C within what DuckDB does be Ctrl-C; it makes another error of it."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def administrator(code: str) -> str:
    """Return the e-mail address of the user that the load makes."""
    return f"admin@{code.lower()}.example"


def _check(connection: bulk.Connection, code: str) -> None:
    """Raise what can be known before anything is generated; remove what the end of a server may have left."""
    if not re.fullmatch("[A-Z][A-Z0-9_-]{1,31}", code):
        raise Refused(f"no such code for an organisation: {code}", "2 to 32 capitals, digits, _ and -, a capital first")
    if not bulk.exists(connection, LEDGER):
        raise CannotRun("the database is not migrated", "`erpgres migrate`")
    if connection.execute("select code from core.organization where code = %s", [code]).fetchone():
        raise _there_already(code)
    with connection.transaction():
        _lock(connection)
        beside.remove(connection)


def _lock(connection: bulk.Connection) -> None:
    """Hold the right to load until the end of the transaction."""
    if connection.execute("select pg_try_advisory_xact_lock(%s)", [_LOCK_KEY]).fetchone() != (True,):
        raise CannotRun("another load is at work", "wait until it is done")


def _reason(error: BaseException) -> str:
    if isinstance(error, psycopg.Error):
        return error.diag.message_primary or reason(error)
    return str(error).strip().partition("\n")[0]


def _there_already(code: str) -> Refused:
    return Refused(f"there is an organisation {code} already", "`--org CODE` loads into another one")


class _Run:
    """One load, step by step."""

    def __init__(self, connection: bulk.Connection, rows: Rows, loaded: Loaded, progress: Progress) -> None:
        self.connection = connection
        self.rows = rows
        self.loaded = loaded
        self.progress = progress
        self.period = ""
        self.periods: dict[datetime, tuple[int, int]] = {}
        self.new: dict[datetime, list[Partition]] = {}
        self.old: dict[datetime, list[Partition]] = {}

    @contextmanager
    def phase(self, name: str, rows: int | None) -> Iterator[Advance]:
        """Time a phase and show its progress."""
        began = time.monotonic()
        with self.progress(name, rows) as advance:
            yield advance
        self.loaded.phases[name] = round(time.monotonic() - began, 3)

    def generate(self) -> None:
        """Let DuckDB make the data."""
        self.period = bulk.period_of(self.connection, PARTITIONED)
        with self.phase("generate", round(6_000_000 * self.loaded.scale)) as advance:
            for lines in self.rows.generate():
                advance(lines)

    def load(self, second: bulk.Connection) -> None:
        """Load everything: two connections, each in one transaction, which commit together."""
        began = time.monotonic()
        connection = self.connection
        connection.execute("begin")
        try:
            _lock(connection)
            places = self._organization()
            self.rows.settle(places)
            self.loaded.rows = self.rows.counts()
            # From here on as owner, whom row-level security keeps within the organisation of the claims.
            connection.execute("set local role owner")
            patterns = self._patterns()
            filling = _Filling(self, second, patterns)
            with filling.running():
                self._master_data()
                keys = beside.read_keys(connection, PARTITIONED)
                filling.provide(keys)
                self.loaded.rows = self.rows.counts()
                self._fill_old(patterns)
                self._numbers(patterns)
                self._balances()
                filling.take_part(connection, keys)
            self._attach(second)
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                connection.rollback()
            raise
        self.loaded.load_seconds = round(time.monotonic() - began, 3)

    def analyze(self, dsn: str) -> None:
        """Give the planner statistics of what was loaded, over two connections."""
        core = ("partner", "partner_role", "contact", "address", "item", "number_register")
        tables = [Table("core", name) for name in core] + [Table("wms", "balance")]
        periods = [*self.new.values(), *self.old.values()]
        tables += [partition.table for partitions in periods for partition in partitions]
        statements = [sql.SQL("analyze {}").format(table.sql) for table in tables]
        statements += [sql.SQL("analyze only {}").format(parent.sql) for parent in PARTITIONED]

        def work(part: list[sql.Composed]) -> None:
            with connect(dsn, autocommit=True) as connection:
                connection.execute("set role owner")
                for statement in part:
                    connection.execute(statement)

        with self.phase("analyze", None), ThreadPoolExecutor(2) as pool:
            list(pool.map(work, (statements[::2], statements[1::2])))

    # ---- the organisation ---------------------------------------------------------------------------------------

    def _organization(self) -> Places:
        """Make the organisation, its administrator and its warehouse."""
        with self.phase("organisation", None):
            code = self.loaded.organization
            try:
                org_id: UUID = self._value(
                    "select core.create_organization(%s, %s, %s, %s)",
                    code,
                    f"TPC-H {self.loaded.scale:g}",
                    COUNTRY,
                    CURRENCY,
                )
            except psycopg.errors.UniqueViolation:
                raise _there_already(code) from None
            self.loaded.org_id = org_id
            self.connection.execute(
                "select set_config('request.jwt.claims', %s, true)", [json.dumps({"org_id": str(org_id)})]
            )
            self._administrator(org_id)
            warehouse = self.rows.id("warehouse", 1)
            self.connection.execute(
                "select api.wms_warehouse_create(code => 'MAIN', name => 'Main warehouse', id => %s)", [warehouse]
            )
            found = self.connection.execute(
                """
                select p.kind, p.id
                from core.location as p
                where p.org_id = %s and (p.parent_id = %s and p.kind = 'STORAGE' or p.is_virtual)
                """,
                [org_id, warehouse],
            ).fetchall()
            place = dict(found)
            return Places(org_id, warehouse, place["STORAGE"], place["CUSTOMER"], place["SUPPLIER"])

    def _administrator(self, org_id: UUID) -> None:
        email = self.loaded.administrator
        user_id = self._value("select id from core.app_user where lower(email) = %s and kind = 'INTERNAL'", email)
        if user_id is None:
            user_id = self._value(
                "insert into core.app_user (email, name, kind) values (%s, %s, 'INTERNAL') returning id",
                email, f"Administrator of {self.loaded.organization}",
            )  # fmt: skip
        self.connection.execute(
            "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org_id, user_id]
        )
        self.connection.execute(
            """
            insert into core.user_role (org_id, user_id, role_id)
            select r.org_id, %s, r.id from core.role as r where r.org_id = %s and r.code = 'administrator'
            """,
            [user_id, org_id],
        )

    def _master_data(self) -> None:
        """Load partners and items: COPY knows no row-level security, so by way of temporary tables."""
        tables = {
            "partner": self.rows.partners(),
            "partner_role": self.rows.partner_roles(),
            "contact": self.rows.contacts(),
            "address": self.rows.addresses(),
            "item": self.rows.items(),
        }
        expected = 4 * self.loaded.rows["partners"] + self.loaded.rows["items"]
        with (
            self.phase("partners and items", expected) as advance,
            Pipeline(self.rows.duckdb, tables.values()) as pipeline,
        ):
            # Instead of an event a row there is one a table.
            self.connection.execute("set local erpgres.bulk_load = 'on'")
            for name, query in tables.items():
                rows = self._insert(pipeline, Table("core", name), query)
                self.connection.execute(
                    "select events.emit('organization.bulk_loaded', 'organization', core.org_id(), "
                    "jsonb_build_object('table', %s::text, 'rows', %s::bigint))", [f"core.{name}", rows],
                )  # fmt: skip
                advance(rows)
            self.connection.execute("set local erpgres.bulk_load = 'off'")

    def _insert(self, pipeline: Pipeline, table: Table, query: Query) -> int:
        return bulk.insert_from(self.connection, table, self._stage(pipeline, table, query), query.columns)

    def _stage(self, pipeline: Pipeline, table: Table, query: Query) -> sql.Identifier:
        staged = bulk.stage(self.connection, f"staged_{table.name}", table, query.columns)
        pipeline.copy(self.connection, staged)
        self.connection.execute(sql.SQL("analyze {}").format(staged))
        return staged

    # ---- what moves ---------------------------------------------------------------------------------------------

    def arranged(self, connection: bulk.Connection, periods: dict[datetime, tuple[int, int]]) -> None:
        """Tell the periods that have no partition yet from those that have."""
        self.periods = periods
        for start in periods:
            partitions = [bulk.partition_at(connection, table, self.period, start) for table in PARTITIONED]
            if any(bulk.exists(connection, partition.table) for partition in partitions):
                self.old[start] = partitions
            else:
                self.new[start] = partitions

    def _patterns(self) -> dict[str, Pattern]:
        """Return how the numbers of the document types look in the new organisation."""
        found = self.connection.execute(
            """
            select document_type, pattern, reset = 'YEAR'
            from core.number_series
            where org_id = %s and unit_id is null
            """,
            [self.loaded.org_id],
        ).fetchall()
        series = {document_type: Pattern(pattern, is_yearly) for document_type, pattern, is_yearly in found}
        missing = [name for name in KINDS.values() if name not in series]
        if missing:
            raise CannotRun(f"no number series for {', '.join(missing)}", "`erpgres migrate` brings sql/reference")
        return {kind: series[name] for kind, name in KINDS.items()}

    def queries(self, periods: Collection[datetime], patterns: dict[str, Pattern]) -> list[Query]:
        """Return what goes into each of PARTITIONED."""
        return [self.rows.documents(periods, patterns), self.rows.lines(periods), self.rows.ledger(periods)]

    def expected(self, periods: Collection[datetime]) -> int:
        return sum(documents + 3 * lines for start, (documents, lines) in self.periods.items() if start in periods)

    def _fill_old(self, patterns: dict[str, Pattern]) -> None:
        """Insert into partitions that are there already, past triggers and keys: drafts, which are then posted."""
        if not self.old:
            return
        for start in self.old:
            for table in PARTITIONED:
                self.connection.execute("select ops.create_partition(%s, %s)", [str(table), start])
        queries = self.queries(self.old, patterns)
        with (
            self.phase("rows into existing partitions", self.expected(self.old)) as advance,
            Pipeline(self.rows.duckdb, queries) as pipeline,
        ):
            documents = self._stage(pipeline, DOCUMENT, queries[0])
            of_drafts = [column for column in queries[0].columns if column not in _OF_POSTING]
            advance(bulk.insert_from(self.connection, DOCUMENT, documents, of_drafts))
            advance(self._insert(pipeline, LINE, queries[1]))
            self.connection.execute(
                sql.SQL(
                    "update wms.document as d set status = 'POSTED', number = s.number, posted_at = s.posted_at"
                    " from {} as s where d.org_id = s.org_id and d.id = s.id"
                ).format(documents)
            )
            advance(self._insert(pipeline, LEDGER, queries[2]))

    def _numbers(self, patterns: dict[str, Pattern]) -> None:
        """Register the numbers and set the counters, so that core.next_number goes on from there."""
        query = self.rows.numbers(KINDS, patterns)
        with (
            self.phase("numbers", self.loaded.rows["documents"]) as advance,
            Pipeline(self.rows.duckdb, [query]) as pipeline,
        ):
            advance(self._insert(pipeline, Table("core", "number_register"), query))
            for kind, pattern in patterns.items():
                for year, count in self.rows.counters(kind, pattern).items():
                    self.connection.execute(
                        """
                        insert into core.number_counter (org_id, series_id, period, last_number)
                        select s.org_id, s.id, %s, %s
                        from core.number_series as s
                        where s.org_id = %s and s.document_type = %s and s.unit_id is null
                        """,
                        [year, count, self.loaded.org_id, KINDS[kind]],
                    )

    def _balances(self) -> None:
        with self.phase("balances", self.loaded.rows["items"]) as advance:
            query = self.rows.balances()
            with Pipeline(self.rows.duckdb, [query]) as pipeline:
                advance(self._insert(pipeline, Table("wms", "balance"), query))

    def _attach(self, second: bulk.Connection) -> None:
        """Attach the new partitions and commit: the one phase in which others may have to wait, hence the last one."""
        with self.phase("attach", len(PARTITIONED) * len(self.new)) as advance:
            if self.new:
                bulk.lock(self.connection, PARTITIONED)
            found = [partition for partitions in self.new.values() for partition in partitions]
            beside.attach(self.connection, second, found, _ATTACH_KEY)
            advance(len(found))

    def _value(self, query: LiteralString, *values: Any) -> Any:
        with self.connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(query, values).fetchone()


class _Filling:
    """Documents, lines and ledger on their way into tables that will be new partitions, period by period.

    A thread arranges the rows and fills tables over the second connection; `take_part` does so over the first one,
    which has partners and items to load before.
    """

    def __init__(self, run: _Run, connection: bulk.Connection, patterns: dict[str, Pattern]) -> None:
        self._run = run
        self._connection = connection
        self._patterns = patterns
        self._duckdb = run.rows.duckdb.cursor()
        self._arranged = threading.Event()
        self._keys: queue.SimpleQueue[list[beside.Keys] | None] = queue.SimpleQueue()
        self._waiting: deque[list[Partition]] = deque()
        self._advance: Advance = lambda rows: None
        self._failure: BaseException | None = None
        self._is_over = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Fill while the body does something else, and wait for the end; an exception of the body ends it at once."""
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
            thread.join()
        finally:
            self._is_over = True
            self._keys.put(None)
            while thread.is_alive():
                self._duckdb.interrupt()
                self._connection.cancel_safe(timeout=1)
                thread.join(0.02)
            self._duckdb.close()
        self._raise()

    def provide(self, keys: list[beside.Keys]) -> None:
        """Say which keys the rows may point to; wait until it is known which periods there are."""
        self._keys.put(keys)
        self._arranged.wait()
        self._raise()

    def take_part(self, connection: bulk.Connection, keys: list[beside.Keys]) -> None:
        """Fill tables as the thread does, over the connection that has made what they point to."""
        with self._settings(connection):
            self._check(connection, self._fill(self._run.rows.duckdb, connection), keys)
        self._raise()

    def _raise(self) -> None:
        if self._failure:
            raise self._failure

    def _work(self) -> None:
        connection = self._connection
        try:
            with self._run.phase("arrange", None):
                self._run.arranged(connection, self._run.rows.arrange(self._duckdb, self._run.period))
            self._waiting.extend(self._run.new.values())
            expected = self._run.expected(self._run.new)
            connection.execute("set local role owner")
            with self._run.phase("documents, lines and ledger", expected) as self._advance, self._settings(connection):
                self._arranged.set()
                filled = self._fill(self._duckdb, connection)
                self._check(connection, filled, self._keys.get() or [])
        except BaseException as error:  # whatever it is, it is raised in the thread that waits
            self._failure = error
        finally:
            self._arranged.set()

    def _fill(self, source: duckdb.DuckDBPyConnection, connection: bulk.Connection) -> list[list[Partition]]:
        """Make, fill and index the tables of periods, as long as there are any; returns the tables of each period."""
        begun: deque[list[Partition]] = deque()
        filled = []

        def queries() -> Iterator[Query]:
            while not self._is_over and not self._failure:
                try:
                    begun.append(self._waiting.popleft())
                except IndexError:
                    return
                yield from self._run.queries([begun[-1][0].start], self._patterns)

        with Pipeline(source, queries()) as pipeline:
            while pipeline.has_more():
                filled.append(begun.popleft())
                for partition in filled[-1]:
                    bulk.make(connection, partition)
                    self._advance(pipeline.copy(connection, partition.table.sql, freeze=True))
                    bulk.finish(connection, partition)
        return filled

    @staticmethod
    def _check(connection: bulk.Connection, filled: list[list[Partition]], keys: list[beside.Keys]) -> None:
        """Check tables against each other, and against the keys that the first connection has given."""
        targets = beside.write_keys(connection, keys)
        for partitions in filled:
            bulk.check_all(connection, partitions, targets)

    @staticmethod
    @contextmanager
    def _settings(connection: bulk.Connection) -> Iterator[None]:
        # The planner has no statistics of rows loaded just now; a nested loop over them might not end.
        connection.execute("set local enable_nestloop = off")
        yield
        connection.execute("set local enable_nestloop = on")
