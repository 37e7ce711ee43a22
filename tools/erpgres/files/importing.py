"""Import a file: COPY into a temporary table, stage, check and load in SQL, all in one transaction.

What the rows mean is data of the database (core.import_entity, core.import_column); nothing here knows an entity.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from erpgres.database import connect, reason
from erpgres.errors import CannotRun, Refused
from erpgres.files import refused as refused_file
from erpgres.files.source import DELIMITERS, Plain, Source, look, text_of
from erpgres.tokens import claims_of

CHUNK = 20_000  # lines that are loaded by one statement
SEARCH_LATER = 5_000  # with more rows than that they come into the search after the commit
_BLOCK = 1 << 18
_PART = 256  # rows that are written to the buffer at once
_SAMPLE = 1000  # rows that the decimal mark is looked for in
_MANY = 1_000  # rows from which on the planner is told how many there are

Advance = Callable[[int], None]
Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
Connection = psycopg.Connection[Any]
_Part = tuple[int, list[tuple[Any, ...]]]  # about where in the file it ends; line, note and cells of each row


@contextmanager
def silent(name: str, rows: int | None) -> Iterator[Advance]:
    """Report no progress."""
    yield lambda rows: None


@dataclass(frozen=True)
class Options:
    """How a file is to be read and loaded; None: found out."""

    dry_run: bool = False
    skip_invalid: bool = False
    mapping: Mapping[str, str] = field(default_factory=dict)  # header to column, "" to none
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    date_format: str | None = None
    sheet: str | None = None
    refused: Path | None = None


@dataclass
class Imported:
    """What became of a file."""

    id: UUID
    entity: str
    source: Source
    headers: list[dict[str, str | None]]
    decimal: str
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    search_pending: int = 0  # rows that the search does not find yet when it is done
    is_loaded: bool = False
    is_dry_run: bool = False
    refused_path: Path | None = None
    duplicate_of: str | None = None  # when the same file was imported before, and by whom
    first_problems: list[str] = field(default_factory=list)

    @property
    def ignored(self) -> list[str]:
        """The headers that mean nothing here, without those of a file of refused rows."""
        return [
            str(entry["header"])
            for entry in self.headers
            if entry["column"] is None and entry["header"] and entry["header"] not in refused_file.REASONS
        ]


def run(
    dsn: str, entity: str, path: Path, org: str, user: str | None, options: Options, progress: Progress = silent
) -> Imported:
    """Import a file into an organisation (its code) for a user (e-mail address; None: the tools, denied nothing).

    `dsn` is migrator's. All or nothing, unless `skip_invalid`. Raises Refused for a file or an organisation that will
    not do, CannotRun when the database is not up to it; refused rows are no error, but counted and written to a file.
    """
    with progress("looking at the file", None):
        source = look(path, encoding=options.encoding, delimiter=options.delimiter, sheet=options.sheet)
    with connect(make_conninfo(dsn, application_name="erpgres import")) as connection:
        try:
            return _Run(connection, entity, source, options, progress).run(org, user)
        except psycopg.errors.Error as error:
            connection.rollback()
            raise _failure(error) from error


def _failure(error: psycopg.Error) -> Refused | CannotRun:
    """Return what to say about an error of PostgreSQL's; those of the catalogue are refusals in words."""
    if error.sqlstate == "PGRST":
        body = json.loads(error.diag.message_primary or "{}")
        return Refused(f"{body.get('message')} ({body.get('code')})", body.get("hint"))
    if error.sqlstate in ("42P01", "42883"):
        return CannotRun(f"the database cannot import: {reason(error)}", "is it migrated? `erpgres migrate`")
    return CannotRun(f"the import failed and left nothing behind: {error.diag.message_primary or reason(error)}")


class _Run:
    """One file on its way into the database."""

    def __init__(
        self, connection: Connection, entity: str, source: Source, options: Options, progress: Progress
    ) -> None:
        self.connection = connection
        self.entity = entity
        self.source = source
        self.options = options
        self.progress = progress
        self.role = "migrator"

    def run(self, org: str, user: str | None) -> Imported:
        """Do all of it in one transaction."""
        self._tell_planner()
        self._act_for(org, user)
        self._one("select set_config('work_mem', '64MB', true), set_config('jit', 'off', true)")
        mapped: list[dict[str, str | None]] = self._one(
            "select core.map_import(%s, %s, %s)",
            self.entity, self.source.headers, Jsonb(dict(self.options.mapping)),
        )[0]  # fmt: skip
        decimal = self.options.decimal or self._decimal([entry["column"] for entry in mapped])
        begun = self._one(
            "select i.id, i.duplicate_of from core.begin_import(%s, %s, %s, %s, %s, %s) as i",
            self.entity, self.source.headers, self.source.sha256, self.source.path.name,
            Jsonb(dict(self.options.mapping)), Jsonb({"decimal": decimal, "date_format": self.options.date_format}),
        )  # fmt: skip
        done = Imported(begun[0], self.entity, self.source, mapped, decimal, is_dry_run=self.options.dry_run)
        if begun[1]:
            done.duplicate_of = self._earlier(begun[1])
        self._copy(done)
        with self.progress("checking", None):
            self._stage(done)
        self._load(done)
        if done.is_loaded and not self.options.dry_run:
            self._ask_for_search(done)
        self._report(done)
        if self.options.dry_run:
            self.connection.rollback()
        else:
            self.connection.commit()
        return done

    def _tell_planner(self) -> None:
        """Count the rows of the table where the planner believes in none, as after a dry run: in a transaction before.

        He would compare each row of the file with each of the table.
        """
        found = self.connection.execute(
            "select n.nspname, c.relname from core.import_entity as e"
            " join pg_class as c on c.oid = to_regclass(e.table_name) join pg_namespace as n on n.oid = c.relnamespace"
            " where e.code = %s and c.relkind = 'r' and c.reltuples < 1 and pg_relation_size(c.oid) > 0",
            [self.entity],
        ).fetchone()
        if found:
            self._become("owner")
            self.connection.execute(sql.SQL("analyze (skip_locked) {}").format(sql.Identifier(*found)))
        self.connection.commit()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        row = self.connection.execute(query, values or None).fetchone()
        assert row is not None
        return tuple(row)

    def _act_for(self, org: str, user: str | None) -> None:
        """Take the claims, and for a user also the role, that a request would have."""
        found = self.connection.execute("select id::text from core.organization where code = %s", [org]).fetchone()
        if found is None:
            raise Refused(f"there is no organisation {org}")
        claims: dict[str, str] = {"org_id": found[0]}
        if user:
            claims = (
                claims_of(self.connection, user)
                if self._is_super_admin(user)
                else claims_of(self.connection, user, org)
            )
            claims["org_id"] = found[0]
            self.role = claims["role"]
            if self.role == "partner":
                raise Refused(f"{user} is EXTERNAL and cannot import")
        self._one("select set_config('request.jwt.claims', %s, true)", json.dumps(claims))
        self._become(self.role)

    def _is_super_admin(self, user: str) -> bool:
        return bool(
            self._one(
                "select exists (select from core.app_user where lower(email) = lower(%s) and kind = 'SUPER_ADMIN')",
                user,
            )[0]
        )

    def _become(self, role: str) -> None:
        if role == "migrator":
            self.connection.execute("set local role none")
        else:
            self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))

    def _earlier(self, import_id: UUID) -> str:
        at, by = self._one(
            "select to_char(i.committed_at, 'YYYY-MM-DD HH24:MI'), coalesce(u.email, 'the tools') from core.import as i"
            " left join core.app_user as u on u.id = i.created_by where i.org_id = core.org_id() and i.id = %s",
            import_id,
        )
        return f"{at} UTC by {by}"

    # ---- the file ----------------------------------------------------------------------------------------------

    def _decimal(self, columns: list[str | None]) -> str:
        """Find the decimal mark in the first rows: what only one of the two explains decides, else the delimiter."""
        numeric = {
            name
            for (name,) in self.connection.execute(
                "select c.name from core.import_column as c where c.entity = %s and c.type in ('numeric', 'integer')",
                [self.entity],
            )
        }
        places = [place for place, column in enumerate(columns) if column in numeric]
        points = commas = 0
        for row in itertools.islice(self.source.rows(), _SAMPLE):
            for value in (row.cells[place] for place in places if place < len(row.cells)):
                if isinstance(value, str):
                    points += _is_only(value, ".", ",")
                    commas += _is_only(value, ",", ".")
        if points or commas:
            return "." if points >= commas else ","
        return "," if self.source.delimiter == ";" else "."

    def _copy(self, done: Imported) -> None:
        """Copy the cells that mean something into a temporary table, as text, with the line each row begins in."""
        places = [place for place, entry in enumerate(done.headers) if entry["column"]]
        cells = [sql.Identifier(f"c{number}") for number, _ in enumerate(places, start=1)]
        self._become("owner")  # nobody else may make tables, temporary ones neither
        self.connection.execute(
            sql.SQL("create temporary table import_cells (line integer, note text, {}) on commit drop").format(
                sql.SQL(", ").join(sql.SQL("{} text").format(cell) for cell in cells)
            )
        )
        self.connection.execute("grant select on import_cells to member, superadmin, migrator")
        names = sql.SQL(", ").join([sql.Identifier("line"), sql.Identifier("note"), *cells])
        mark = self.source.delimiter if self.source.delimiter in DELIMITERS else ","
        statement = sql.SQL("copy pg_temp.import_cells ({}) from stdin (format csv, delimiter {})").format(
            names, sql.Literal(mark)
        )
        with (
            self.progress("reading", self.source.size or None) as advance,
            self.connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            before = 0
            for position, block in self._blocks(places, mark, done.decimal):
                copy.write(block)
                advance(position - before)
                before = position
        self._become(self.role)

    def _blocks(self, places: list[int], mark: str, decimal: str) -> Iterator[tuple[int, bytes | str]]:
        """Give what is copied: about where in the file it ends, and CSV of the lines, notes and cells."""
        plain = Plain(self.source)
        if places == list(range(len(self.source.headers))) and self.connection.info.encoding == "utf-8":
            form = f"%d{mark}{mark}%b\n".encode()
            for first, lines, position in plain.parts():
                yield position, b"".join([form % numbered for numbered in enumerate(lines, first)])
        is_xlsx = self.source.is_xlsx
        buffer = io.StringIO()
        write = csv.writer(buffer, delimiter=mark, lineterminator="\n").writerows
        position = plain.offset
        for position, part in self._xlsx_rows(places, decimal) if is_xlsx else self._csv_rows(places, plain):
            write(part)
            if buffer.tell() > _BLOCK:
                yield position, buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield position, buffer.getvalue()

    def _csv_rows(self, places: list[int], plain: Plain) -> Iterator[_Part]:
        """Give the rows in parts of some hundreds, since each step in Python costs as much as reading a row."""
        width = len(self.source.headers)
        may_hold_nul = self.source.may_hold_nul
        pick = itemgetter(*places) if len(places) > 1 else (lambda cells: (cells[places[0]],))
        part: list[tuple[Any, ...]] = []
        position = plain.offset
        for line, cells, position in self.source.records(plain.lines, plain.offset):
            if len(cells) == width:
                values, note = pick(cells), ""
            else:
                values, note = _padded(cells, places), "core.import_cells"
            if may_hold_nul and any("\0" in value for value in values):
                values, note = tuple(value.replace("\0", "") for value in values), "core.import_cells"
            part.append((line, note, *values))
            if len(part) == _PART:
                yield position, part
                part = []
        yield position, part

    def _xlsx_rows(self, places: list[int], decimal: str) -> Iterator[_Part]:
        for row in self.source.rows():
            note = "core.import_cells" if len(row.cells) > len(self.source.headers) else ""
            values = (text_of(row.cells[place], decimal) if place < len(row.cells) else "" for place in places)
            yield row.position, [(row.line, note, *values)]

    # ---- the database ------------------------------------------------------------------------------------------

    def _stage(self, done: Imported) -> None:
        count = sum(1 for entry in done.headers if entry["column"])
        done.rows = self._one(
            "select core.stage_import(%s, 'pg_temp.import_cells', %s)",
            done.id, [f"s.c{number}" for number in range(1, count + 1)],
        )[0]  # fmt: skip
        if done.rows == 0:
            raise Refused(f"{self.source.path.name} has no rows below the header")
        if done.rows > _MANY:
            self._one("select set_config('default_statistics_target', '30', true)")  # how many there are, not which
            self._become("owner")
            self.connection.execute("analyze (skip_locked) core.import_row (org_id, import_id, line, rank, problems)")
            self._become(self.role)
        is_kept = self._keep_read(done.headers)
        self.connection.execute("select core.check_import(%s)", [done.id])
        if is_kept:
            self._become("owner")
            self.connection.execute("create index on pg_temp.import_read (line)")
            self._become(self.role)

    def _keep_read(self, headers: list[dict[str, str | None]]) -> bool:
        """Make the table that core.check_import keeps what it reads in, so that loading need not read it again.

        Not where rows lie in one another: what lies in a row can be read to its end when that one is there.
        """
        name, is_tree = self._one(
            "select case when e.table_name is not null then e.read_function end, exists ("
            "select from core.import_column as c where c.entity = e.code and c.is_path and c.name = any (%s)"
            ") from core.import_entity as e where e.code = %s",
            [entry["column"] for entry in headers if entry["column"]], self.entity,
        )  # fmt: skip
        if name is None or is_tree:
            return False
        self._become("owner")
        self.connection.execute(
            sql.SQL(
                "create temporary table import_read on commit drop as select f.* from {}(null, 0, 0) as f with no data"
            ).format(sql.Identifier(*name.split(".")))
        )
        self.connection.execute("grant select, insert, delete on import_read to member, superadmin, migrator")
        self._become(self.role)
        return True

    def _load(self, done: Imported) -> None:
        """Load what is not refused; when rows are refused and all is wanted or nothing, leave nothing behind."""
        refused = self._refused(done)
        problems: list[dict[str, Any]] = []
        if not refused or self.options.skip_invalid or self.options.dry_run:
            if done.rows - refused > SEARCH_LATER:
                # the triggers of the search note ranges for this import, and leave the rest to the worker
                self._one("select set_config('erpgres.search_later', %s, true)", str(done.id))
            self.connection.execute("savepoint loading")
            with self.progress("loading", done.rows - refused) as advance:
                for rank, first, last in self._ranges(done):
                    loaded = self._one("select core.load_import(%s, %s, %s, %s)", done.id, first, last, rank)[0]
                    done.inserted += loaded["inserted"]
                    done.updated += loaded["updated"]
                    problems += loaded["problems"]
                    advance(loaded["rows"])
            if problems and not self.options.skip_invalid:
                self.connection.execute("rollback to savepoint loading")
                self.connection.execute("select core.refuse_import_rows(%s, %s)", [done.id, Jsonb(problems)])
        done.refused = self._refused(done)
        done.is_loaded = not done.refused or self.options.skip_invalid
        if done.is_loaded:
            self.connection.execute(
                "select core.finish_import(%s, %s, %s, %s)",
                [done.id, done.inserted, done.updated, self.options.skip_invalid],
            )
        else:
            self.connection.execute(
                "update core.import set refused_count = %s, insert_count = %s, update_count = %s"
                " where org_id = core.org_id() and id = %s",
                [done.refused, done.inserted, done.updated, done.id],
            )
        if done.is_loaded or self.options.dry_run:
            done.unchanged = done.rows - done.refused - done.inserted - done.updated

    def _ask_for_search(self, done: Imported) -> None:
        """Let the worker bring what was loaded into the search, at once when this is committed."""
        done.search_pending = self._one(
            "select search_pending_count from core.import where org_id = core.org_id() and id = %s", done.id
        )[0]
        if done.search_pending:
            self._become("migrator")
            self.connection.execute(
                "select ops.job_enqueue(name) from ops.job where name = 'core.fill_search' and not is_paused"
            )
            self._become(self.role)

    def _refused(self, done: Imported) -> int:
        return int(
            self._one(
                "select count(*) from core.import_row where org_id = core.org_id() and import_id = %s"
                " and problems is not null",
                done.id,
            )[0]
        )

    def _ranges(self, done: Imported) -> list[tuple[int, int, int]]:
        """Return (rank, first line, last line) of the statements that load it, in their order."""
        ranks = self.connection.execute(
            "select rank, min(line), max(line) from core.import_row"
            " where org_id = core.org_id() and import_id = %s and problems is null group by rank order by rank",
            [done.id],
        ).fetchall()
        return [
            (rank, first, min(first + CHUNK - 1, last))
            for rank, begin, last in ranks
            for first in range(begin, last + 1, CHUNK)
        ]

    def _report(self, done: Imported) -> None:
        """Write the refused rows beside the file, and remember the first few reasons."""
        if not done.refused:
            return
        done.refused_path = self.options.refused or refused_file.free_path(self.source.path)
        with (
            self.progress("writing refused rows", done.refused) as advance,
            self.connection.cursor(name="refused") as cursor,
        ):
            cursor.execute(
                "select line, problems from core.import_row where org_id = core.org_id() and import_id = %s"
                " and problems is not null order by line",
                [done.id],
            )

            def found() -> Iterator[tuple[int, refused_file.Problems]]:
                for line, problems in cursor:
                    if len(done.first_problems) < 5:
                        reasons = "; ".join(f"{p['column'] or 'row'}: {p['message']} ({p['code']})" for p in problems)
                        done.first_problems.append(f"line {line}: {reasons}")
                    advance(1)
                    yield line, problems

            try:
                refused_file.write(done.refused_path, self.source, found())
            except OSError as error:
                raise CannotRun(
                    f"{done.refused_path} cannot be written: {error.strerror}", "choose another with --refused"
                ) from error


def _padded(cells: list[str], places: list[int]) -> tuple[str, ...]:
    return tuple(cells[place] if place < len(cells) else "" for place in places)


def _is_only(value: str, decimal: str, group: str) -> bool:
    """Whether a number has this decimal mark and cannot have the other one: 1.50, 1,234.5; not 1.500 nor 12."""
    text = re.sub(r"[\s'\u2019+-]", "", value)
    if not re.fullmatch(rf"[\d{re.escape(decimal + group)}]+", text) or text.count(decimal) != 1:
        return False
    whole, _, fraction = text.partition(decimal)
    if group in fraction:
        return False
    return group in whole or len(fraction) != 3 or not 1 <= len(whole) <= 3
