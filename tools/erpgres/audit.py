"""Seals of the events: made, checked against the events, and events of past months moved into files.

A seal (`events.seal`) holds the SHA-256 of each event of an organisation in a closed range of the feed, and the hash of
the seal before it. `verify` computes all of it anew, here and not in the database: whoever can change the events could
change a function as well. What it finds is named by organisation, seal and event.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from erpgres import database
from erpgres.errors import CannotRun, Refused

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

NO_HASH = bytes(32)
LEAF = 32
SHOWN = 100  # events that one finding names
FETCH = 5000
# The text that an event's SHA-256 is taken of: that of events.canonical(), written out so that nothing is believed.
COLUMNS = (
    "e.org_id, e.id, e.xid::text, e.type, e.entity, e.entity_id, e.entity_version, e.actor_id, e.session_id, "
    "e.unit_id, e.partner_id, e.request_id, e.before, e.after, e.payload"
)
CANONICAL = sql.SQL("pg_catalog.jsonb_build_array(" + COLUMNS + ")::text")


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was sealed. `events` names at most 100 of the `count` that it is about."""

    kind: str
    detail: str
    org_id: str | None = None
    seal: int | None = None
    count: int = 0
    events: list[str] = field(default_factory=list)
    partition: str | None = None


@dataclass(frozen=True)
class Head:
    """The last seal of an organisation."""

    org_id: str
    number: int
    hash: str


@dataclass
class Report:
    """What `verify` looked at and found."""

    sealed_until: str = "0"
    organizations: int = 0
    seals: int = 0
    events: int = 0
    archived_events: int = 0
    heads: list[Head] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Archive:
    """A month that lies in a file; `digest` grows with what the seals say about its events."""

    partition: str
    from_id: uuid.UUID
    until_id: uuid.UUID
    event_count: int
    file_name: str
    file_sha256: bytes
    leaves_sha256: bytes
    is_attached: bool
    digest: Any = field(default_factory=hashlib.sha256)
    found: int = 0

    def holds(self, event: uuid.UUID) -> bool:
        return not self.is_attached and self.from_id <= event < self.until_id


# ---- sealing -------------------------------------------------------------------------------------------------------


def seal(dsn: str, anchor: Path | None = None, *, max_events: int = 50_000) -> tuple[int, int, list[Head]]:
    """Seal everything up to the horizon; returns how many seals and events, and the heads of all chains.

    `anchor` is a file that the heads are appended to, one JSON object a line; it belongs where whoever writes the
    database cannot write. Raises CannotRun when there is no connection or the file cannot be written.
    """
    seals = events = 0
    with database.connect(dsn, autocommit=True, application_name="erpgres audit") as connection:
        while True:
            row = connection.execute("select s.seals, s.events from events.seal(%s) as s", [max_events]).fetchone()
            assert row is not None
            if not row[0]:
                break
            seals, events = seals + row[0], events + row[1]
        heads = _heads(connection)
    if anchor is not None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with anchor.open("a", encoding="utf-8") as file:
                for head in heads:
                    file.write(json.dumps({"at": at, **vars(head)}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CannotRun(f"cannot write {anchor}: {error.strerror}") from error
    return seals, events, heads


def _heads(connection: Connection) -> list[Head]:
    rows = connection.execute(
        "select distinct on (s.org_id) s.org_id, s.number, s.hash "
        "from events.seal as s order by s.org_id, s.number desc"
    ).fetchall()
    return [Head(str(org_id), number, digest.hex()) for org_id, number, digest in rows]


# ---- checking ------------------------------------------------------------------------------------------------------


def verify(dsn: str, anchor: Path | None = None, archives: Path | None = None) -> Report:
    """Check every seal against the seals before it and against its events; `dsn` is migrator's, who sees all rows.

    `anchor` is a file of `seal`: each of its heads must still be in its chain. `archives` is the directory of the
    archived files: with it their contents are checked, too, without it only what the seals say of them.
    Raises CannotRun without a connection, Refused for an anchor file that is none.
    """
    report = Report()
    with database.connect(dsn, application_name="erpgres audit") as connection:
        # One snapshot for everything; nothing that happens meanwhile is looked at.
        connection.execute("set transaction isolation level repeatable read, read only")
        kept = _archives(connection)
        row = connection.execute(
            "select coalesce(max(until_xid), '0'), sum(seal_count) from events.seal_run"
        ).fetchone()
        assert row is not None
        report.sealed_until = str(row[0])
        organizations = connection.execute("select distinct org_id from events.seal order by org_id").fetchall()
        report.organizations = len(organizations)
        for (org_id,) in organizations:
            _verify_chain(connection, org_id, kept, report)
        _verify_runs(connection, int(row[1] or 0), report)
        _find_late(connection, report)
        report.heads = _heads(connection)
        if anchor is not None:
            _verify_anchor(connection, anchor, report)
    _verify_archives(kept, archives, report)
    return report


def _archives(connection: Connection) -> list[_Archive]:
    rows = connection.execute(
        "select a.partition, a.from_id, a.until_id, a.event_count, a.file_name, a.file_sha256, a.leaves_sha256, "
        "exists (select from pg_inherits as i where i.inhparent = 'events.event'::regclass "
        "and i.inhrelid = to_regclass(a.partition)) from events.archive as a order by a.from_id"
    ).fetchall()
    return [_Archive(*row) for row in rows]


def _verify_chain(connection: Connection, org_id: uuid.UUID, kept: list[_Archive], report: Report) -> None:
    """Check the chain of one organisation, seal by seal."""
    previous, until, number = NO_HASH, "0", 0
    cursor = connection.cursor(name="seals", row_factory=dict_row)
    cursor.itersize = 10
    cursor.execute(
        "select s.number, s.from_xid, s.until_xid, s.ids, s.leaves, s.previous_hash, s.hash "
        "from events.seal as s where s.org_id = %s order by s.number",
        [org_id],
    )
    for row in cursor:
        number += 1
        report.seals += 1
        where = {"org_id": str(org_id), "seal": row["number"]}
        if row["number"] != number:
            report.problems.append(Problem(
                "seal_missing", f"seals {number} to {row['number'] - 1} are gone",
                org_id=str(org_id), seal=number,
            ))  # fmt: skip
            number = row["number"]
        elif row["previous_hash"] != previous or str(row["from_xid"]) != until:
            report.problems.append(Problem("seal_altered", "it does not follow from the seal before it", **where))
        text = f"{org_id} {row['number']} {row['from_xid']} {row['until_xid']} {','.join(map(str, row['ids']))} "
        digest = hashlib.sha256(text.encode() + row["leaves"] + row["previous_hash"]).digest()
        if digest != row["hash"]:
            report.problems.append(Problem("seal_altered", "its hash is not that of what it holds", **where))
        previous, until = row["hash"], str(row["until_xid"])
        _verify_events(connection, org_id, row, kept, report)
    cursor.close()


def _verify_events(
    connection: Connection, org_id: uuid.UUID, seal_row: dict[str, Any], kept: list[_Archive], report: Report
) -> None:
    """Check the events of one range against their seal."""
    leaves: bytes = seal_row["leaves"]
    sealed = {event: leaves[LEAF * n : LEAF * (n + 1)] for n, event in enumerate(seal_row["ids"])}
    query = sql.SQL("select e.id, {} from events.event as e where e.org_id = %s and e.xid >= %s and e.xid < %s").format(
        CANONICAL
    )
    seen: set[uuid.UUID] = set()
    changed: list[uuid.UUID] = []
    inserted: list[uuid.UUID] = []
    for event, text in _stream(connection, query, [org_id, str(seal_row["from_xid"]), str(seal_row["until_xid"])]):
        seen.add(event)
        if event not in sealed:
            inserted.append(event)
        elif hashlib.sha256(text.encode()).digest() != sealed[event]:
            changed.append(event)
    report.events += len(seen)
    removed: list[uuid.UUID] = []
    for event in seal_row["ids"]:
        if event in seen:
            continue
        for archive in kept:
            if archive.holds(event):
                archive.digest.update(event.bytes + sealed[event])
                archive.found += 1
                report.archived_events += 1
                break
        else:
            removed.append(event)
    where = {"org_id": str(org_id), "seal": int(seal_row["number"])}
    if removed:
        # A row whose position was changed is found elsewhere; one of a partition that is gone is not.
        moved = {
            row[0]
            for row in connection.execute(
                "select e.id from events.event as e where e.org_id = %s and e.id = any (%s)", [org_id, removed]
            )
        }
        changed += [event for event in removed if event in moved]
        lost = [event for event in removed if event not in moved]
        for partition, events in _by_partition(connection, lost).items():
            if partition is None:
                _add(report, "event_removed", "sealed and no longer there", events, **where)
            else:
                _add(report, "partition_missing", f"{partition} is not attached, and no archive says so", events,
                     partition=partition, **where)  # fmt: skip
    if changed:
        _add(report, "event_changed", "not what was sealed", changed, **where)
    if inserted:
        _add(report, "event_inserted", "not there when its range was sealed", inserted, **where)


def _stream(connection: Connection, query: sql.Composed, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name="events") as cursor:
        cursor.itersize = FETCH
        yield from cursor.execute(query, values)


def _add(report: Report, kind: str, detail: str, events: list[uuid.UUID], **where: Any) -> None:
    report.problems.append(
        Problem(kind, detail, count=len(events), events=[str(event) for event in events[:SHOWN]], **where)
    )


def _by_partition(connection: Connection, events: list[uuid.UUID]) -> dict[str | None, list[uuid.UUID]]:
    """Sort lost events by the partition that should hold them if that is not attached, else by None."""
    found: dict[str | None, list[uuid.UUID]] = {}
    attached = {name for (name,) in connection.execute(
        "select i.inhrelid::regclass::text from pg_inherits as i where i.inhparent = 'events.event'::regclass"
    )}  # fmt: skip
    for event in events:
        at = datetime.fromtimestamp((event.int >> 80) / 1000, UTC)
        name = f"events.event_{at.year}m{at.month:02}"
        found.setdefault(None if name in attached else name, []).append(event)
    return found


def _verify_runs(connection: Connection, expected: int, report: Report) -> None:
    """Compare the seals with the list of the runs that made them: a chain cut off at its end has fewer."""
    if report.seals != expected:
        report.problems.append(Problem(
            "seal_missing", f"{expected} seals were made and {report.seals} are there",
            count=abs(expected - report.seals),
        ))  # fmt: skip
    rows = connection.execute(
        "select r.until_xid::text, r.seal_count, count(s.*) from events.seal_run as r "
        "left join events.seal as s on s.until_xid = r.until_xid group by r.until_xid, r.seal_count "
        "having count(s.*) <> r.seal_count order by r.until_xid"
    ).fetchall()
    for until, made, there in rows:
        report.problems.append(
            Problem("seal_missing", f"the run up to {until} made {made} seals, of which {there} are there")
        )


def _find_late(connection: Connection, report: Report) -> None:
    """Find events in a range that is sealed, of an organisation that had none there."""
    rows = connection.execute(
        "select e.org_id, array_agg(e.id order by e.xid, e.id) from events.event as e "
        "left join (select s.org_id, max(s.until_xid) as until_xid from events.seal as s group by s.org_id) as l "
        "on l.org_id = e.org_id where e.xid < %s and e.xid >= coalesce(l.until_xid, '0') group by e.org_id",
        [report.sealed_until],
    ).fetchall()
    for org_id, events in rows:
        _add(report, "event_inserted", "in a range that was sealed without it", events, org_id=str(org_id))


def _verify_anchor(connection: Connection, anchor: Path, report: Report) -> None:
    """Look for each head of an anchor file in the chains."""
    try:
        lines = anchor.read_text(encoding="utf-8").splitlines()
        heads = [(line["org_id"], int(line["number"]), line["hash"]) for line in map(json.loads, lines)]
    except OSError as error:
        raise CannotRun(f"cannot read {anchor}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{anchor} is no anchor file", "erpgres audit seal --anchor FILE writes one") from None
    for org_id, number, digest in heads:
        row = connection.execute(
            "select s.hash from events.seal as s where s.org_id = %s and s.number = %s", [org_id, number]
        ).fetchone()
        if row is None or row[0].hex() != digest:
            what = "is gone" if row is None else "has another hash"
            report.problems.append(
                Problem("anchor_differs", f"the seal that was anchored {what}", org_id=org_id, seal=number)
            )


def _verify_archives(kept: list[_Archive], directory: Path | None, report: Report) -> None:
    """Compare what the seals say of archived events with the list of archives and, if given, with the files."""
    for archive in kept:
        if archive.is_attached:
            continue
        if archive.found != archive.event_count or archive.digest.digest() != archive.leaves_sha256:
            report.problems.append(Problem(
                "archive_differs", f"the seals say otherwise than the archive {archive.file_name} was made",
                count=abs(archive.found - archive.event_count), partition=archive.partition,
            ))  # fmt: skip
        if directory is not None and (fault := _fault_of(directory / archive.file_name, archive)):
            report.problems.append(Problem("archive_differs", fault, partition=archive.partition))


def _fault_of(path: Path, archive: _Archive) -> str | None:
    """Say what is wrong with a file, or None."""
    try:
        if _file_sha256(path) != archive.file_sha256:
            return f"{path.name} is not the file that was written: its SHA-256 differs"
        digest = hashlib.sha256()
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            for line in file:
                text = line.rstrip("\n")
                digest.update(uuid.UUID(json.loads(text)[1]).bytes + hashlib.sha256(text.encode()).digest())
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    return None if digest.digest() == archive.leaves_sha256 else f"{path.name} holds other events than were sealed"


def _file_sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


# ---- archiving -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Archived:
    """A month that was moved into a file."""

    partition: str
    file: str
    events: int
    sha256: str


def archive(dsn: str, before: date, directory: Path, progress: Progress) -> list[Archived]:
    """Move every month of events that ended before a day into a compressed file each, and drop its partition.

    The file has one event a line, as the text that was sealed. Its hash is recorded in `events.archive` and as an event
    `organization.events_archived` of each organisation, which the next seals hold. A run that was interrupted goes on.
    Raises Refused when events are not sealed yet or a seal does not hold, CannotRun when a file cannot be written.
    """
    done = []
    with database.connect(dsn, autocommit=True, application_name="erpgres audit") as connection:
        months = [month for month in _months(connection) if month[2].date() <= before]
        if not months:
            return []
        progress("checking the seals")
        report = verify(dsn, archives=None)
        if report.problems:
            raise Refused(
                f"{len(report.problems)} things are not as they were sealed", "erpgres audit verify names them"
            )
        for name, start, end in months:
            low, high = _bounds(connection, start, end)
            unsealed = connection.execute(
                "select count(*) from events.event as e where e.id >= %s and e.id < %s and e.xid >= %s",
                [low, high, report.sealed_until],
            ).fetchone()
            if unsealed != (0,):
                raise Refused(f"{name} has {unsealed and unsealed[0]} events without a seal", "erpgres audit seal")
            progress(f"archiving {name}")
            done.append(_archive_month(connection, name, low, high, directory))
    return done


def _months(connection: Connection) -> list[tuple[str, datetime, datetime]]:
    """Return the attached partitions with the moments they begin and end at, the oldest first."""
    found = []
    for (name,) in connection.execute(
        "select i.inhrelid::regclass::text from pg_inherits as i "
        "where i.inhparent = 'events.event'::regclass order by 1"
    ):
        year, _, month = name.rpartition("_")[2].partition("m")
        start = datetime(int(year), int(month), 1, tzinfo=UTC)
        end = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
        found.append((name, start, end))
    return found


def _bounds(connection: Connection, start: datetime, end: datetime) -> tuple[uuid.UUID, uuid.UUID]:
    row = connection.execute("select core.uuid_floor(%s), core.uuid_floor(%s)", [start, end]).fetchone()
    assert row is not None
    return row[0], row[1]


def _archive_month(connection: Connection, name: str, low: uuid.UUID, high: uuid.UUID, directory: Path) -> Archived:
    """Write the file, record it, detach the partition and drop it."""
    recorded = connection.execute(
        "select a.file_name, a.event_count, a.file_sha256 from events.archive as a where a.partition = %s", [name]
    ).fetchone()
    if recorded is None:
        path = directory / f"{name.partition('.')[2]}.jsonl.gz"
        count, organizations, leaves = _write(connection, low, high, path)
        digest = _file_sha256(path)
        with connection.transaction():
            connection.execute("set local role owner")
            connection.execute(
                "insert into events.archive (partition, from_id, until_id, event_count, file_name, file_sha256, "
                "leaves_sha256) values (%s, %s, %s, %s, %s, %s, %s)",
                [name, low, high, count, path.name, digest, leaves],
            )
            for org_id, number in organizations.items():
                payload = {"partition": name, "events": number, "file": path.name, "sha256": digest.hex()}
                connection.execute(
                    "select events.emit('organization.events_archived', 'organization', %(org)s, %(payload)s, "
                    "org_id => %(org)s)",
                    {"org": org_id, "payload": json.dumps(payload)},
                )
        recorded = (path.name, count, digest)
    # Concurrently: writers of events go on, while a plain DETACH would wait for all of them and hold up all others.
    connection.execute("set role owner")
    try:
        connection.execute(
            sql.SQL("alter table events.event detach partition {} concurrently").format(
                sql.Identifier(*name.split("."))
            )
        )
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(*name.split("."))))
    finally:
        connection.execute("reset role")
    return Archived(name, recorded[0], recorded[1], recorded[2].hex())


def _write(
    connection: Connection, low: uuid.UUID, high: uuid.UUID, path: Path
) -> tuple[int, dict[uuid.UUID, int], bytes]:
    """Write the events of a range of ids; returns how many, how many by organisation, and the hash of their hashes."""
    query = sql.SQL(
        "select e.org_id, e.id, {} from events.event as e where e.id >= %s and e.id < %s order by e.org_id, e.xid, e.id"
    ).format(CANONICAL)
    leaves, organizations = hashlib.sha256(), dict[uuid.UUID, int]()
    part = path.with_name(path.name + ".part")
    try:
        with (
            part.open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file,
            connection.transaction(),
        ):
            for org_id, event, text in _stream(connection, query, [low, high]):
                file.write(text.encode() + b"\n")
                leaves.update(event.bytes + hashlib.sha256(text.encode()).digest())
                organizations[org_id] = organizations.get(org_id, 0) + 1
        with part.open("rb") as file_on_disk:
            os.fsync(file_on_disk.fileno())
        part.rename(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CannotRun(f"cannot write {path}: {error.strerror}") from error
    return sum(organizations.values()), organizations, leaves.digest()
