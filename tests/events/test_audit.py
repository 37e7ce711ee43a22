"""Seals: what a superuser changes, removes or adds is found and named; archived months are checked by their hash."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict

from conftest import cloned
from erpgres import audit
from erpgres.cli import audit as cli
from erpgres.errors import Refused

OLD = datetime(2025, 3, 10, tzinfo=UTC)


@dataclass
class Sealed:
    """A database of one's own with two organisations whose events are sealed twice, some of them of March 2025."""

    dsn: str
    root: psycopg.Connection[Any]
    orgs: list[Any]

    def events(self, org: int, old: bool = False) -> list[Any]:
        rows = self.root.execute(
            "select id from events.event where org_id = %s and (id < core.uuid_floor('2026-01-01')) = %s order by id",
            [self.orgs[org], old],
        )
        return [row[0] for row in rows.fetchall()]

    def tamper(self, *statements: str, **values: Any) -> None:
        """Do what only a superuser can: triggers do not fire."""
        with self.root.transaction():
            self.root.execute("set local session_replication_role = replica")
            for statement in statements:
                self.root.execute(statement, values)

    def found(self, **options: Any) -> list[audit.Problem]:
        return audit.verify(self.dsn, **options).problems

    def seal(self) -> None:
        """Seal until nothing is left: transactions of other tests may hold the horizon for a moment."""
        for _ in range(2000):
            audit.seal(self.dsn, max_events=100)
            left = self.root.execute(
                "select count(*) from events.event "
                "where xid >= (select coalesce(max(until_xid), '0') from events.seal_run)"
            ).fetchone()
            if left == (0,):
                return
        raise AssertionError("events stay without a seal")


@contextmanager
def sealing(stack: Any, clone: str) -> Iterator[Sealed]:
    dsn = stack.dsn("migrator", conninfo_to_dict(clone)["dbname"])
    with psycopg.connect(clone, autocommit=True) as root:
        made = Sealed(dsn, root, [])
        root.execute("select ops.create_partition('events.event', %s)", [OLD])
        for code in ("AA", "BB"):
            row = root.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, code]).fetchone()
            assert row is not None
            made.orgs.append(row[0])
            root.execute(
                "insert into events.event (org_id, id, type, entity, payload) "
                "select %s, uuidv7(%s::timestamptz - clock_timestamp() + n * interval '1 s'), 'item.x', 'item', "
                "jsonb_build_object('n', n, 'text', 'a \"quoted\" text, ü') from generate_series(1, 5) as n",
                [row[0], OLD],
            )
            made.seal()
        yield made


@pytest.fixture
def own(stack: Any, clone: str) -> Iterator[Sealed]:
    """A sealed database for a test that changes more than rows of events and seals."""
    with sealing(stack, clone) as made:
        yield made


KEPT = ("events.event", "events.seal", "events.seal_run")


@pytest.fixture(scope="module")
def shared(stack: Any) -> Iterator[tuple[Sealed, list[str]]]:
    """One for all others, its rows kept beside, and the statements that put them back."""
    back = []
    with cloned(stack) as name, sealing(stack, stack.dsn("postgres", name)) as made:
        for table in KEPT:
            row = made.root.execute(
                "select string_agg(quote_ident(attname), ', ') from pg_attribute"
                " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
                [table],
            ).fetchone()
            assert row is not None
            kept = f"kept_{table.partition('.')[2]}"
            made.root.execute(f"create temporary table {kept} as select {row[0]} from {table}".encode())
            back += [f"delete from {table}", f"insert into {table} ({row[0]}) select {row[0]} from {kept}"]
        yield made, back


@pytest.fixture
def sealed(shared: tuple[Sealed, list[str]]) -> Iterator[Sealed]:
    made, back = shared
    yield made
    made.tamper(*back)


def only(problems: list[audit.Problem], kind: str) -> audit.Problem:
    assert [problem.kind for problem in problems] == [kind], problems
    return problems[0]


def test_what_was_not_touched_holds(sealed: Sealed) -> None:
    report = audit.verify(sealed.dsn)
    assert report.problems == []
    assert report.events == sum(len(sealed.events(n, old)) for n in (0, 1) for old in (True, False))
    assert [head.org_id for head in report.heads] == sorted(str(org) for org in sealed.orgs)
    assert report.seals > 2, "several seals a chain"
    assert audit.seal(sealed.dsn)[:2] == (0, 0), "nothing is sealed twice"


def test_the_worker_seals(stack: Any, clone: str) -> None:
    with psycopg.connect(stack.dsn("worker", conninfo_to_dict(clone)["dbname"]), autocommit=True) as worker:
        assert worker.execute("select seals from events.seal()").fetchone() is not None
        assert worker.execute("select count(*) >= 0 from events.seal").fetchone() == (True,)


def test_a_changed_event_is_named(sealed: Sealed) -> None:
    victim = sealed.events(0)[3]
    sealed.tamper("update events.event set actor_id = gen_random_uuid() where id = %(id)s", id=victim)
    problem = only(sealed.found(), "event_changed")
    assert (problem.org_id, problem.events, problem.count) == (str(sealed.orgs[0]), [str(victim)], 1)
    assert problem.seal is not None


def test_an_event_moved_in_the_feed_is_named(sealed: Sealed) -> None:
    """To before everything: in the range of the first seal it was not, and where it was it no longer is."""
    last = sealed.root.execute(
        "select ids[cardinality(ids)], number from events.seal where org_id = %s order by number desc limit 1",
        [sealed.orgs[0]],
    ).fetchone()
    assert last is not None and last[1] > 1
    sealed.tamper("update events.event set xid = '3' where id = %(id)s", id=last[0])
    kinds = {problem.kind: (problem.events, problem.seal) for problem in sealed.found()}
    assert kinds == {"event_changed": ([str(last[0])], last[1]), "event_inserted": ([str(last[0])], 1)}


def test_a_removed_event_is_named(sealed: Sealed) -> None:
    victims = sealed.events(1)[2:4]
    sealed.tamper("delete from events.event where id = any (%(ids)s)", ids=victims)
    problems = sealed.found()
    assert {problem.kind for problem in problems} == {"event_removed"}
    assert {problem.org_id for problem in problems} == {str(sealed.orgs[1])}
    assert sorted(event for problem in problems for event in problem.events) == sorted(map(str, victims))


@pytest.mark.parametrize("org", [0, None])
def test_an_event_added_to_the_past_is_named(sealed: Sealed, org: int | None) -> None:
    org_id = sealed.orgs[org] if org is not None else "0199a9d0-0000-7000-8000-000000000000"
    sealed.tamper(
        "insert into events.event (org_id, xid, type, entity) values (%(org)s, '5', 'item.x', 'item')", org=org_id
    )
    row = sealed.root.execute("select id from events.event where xid = '5'").fetchone()
    assert row is not None
    problem = only(sealed.found(), "event_inserted")
    assert (problem.org_id, problem.events) == (str(org_id), [str(row[0])])


def test_a_partition_that_is_gone_is_named(own: Sealed) -> None:
    lost = [str(event) for n in (0, 1) for event in own.events(n, old=True)]
    for how in ("alter table events.event detach partition {0}", "drop table {0}"):
        own.root.execute(how.format("events.event_2025m03").encode())
        problems = own.found()
        assert {problem.kind for problem in problems} == {"partition_missing"}
        assert {problem.partition for problem in problems} == {"events.event_2025m03"}
        assert {problem.org_id for problem in problems} == set(map(str, own.orgs))
        assert sorted(event for problem in problems for event in problem.events) == sorted(lost)


def test_an_altered_seal_is_named(sealed: Sealed) -> None:
    victim = sealed.events(0)[0]
    sealed.tamper(
        "update events.event set type = 'organization.forged' where id = %(id)s",
        # … and the leaf with it, as somebody would who knows how it works.
        "update events.seal set leaves = overlay(leaves placing (select "
        "sha256(convert_to(events.canonical(e), 'UTF8')) from events.event e where e.id = %(id)s) "
        "from 32 * (array_position(ids, %(id)s) - 1) + 1) where %(id)s = any (ids)",
        id=victim,
    )
    problem = only(sealed.found(), "seal_altered")
    assert problem.org_id == str(sealed.orgs[0])


def test_a_seal_made_anew_breaks_the_chain(sealed: Sealed) -> None:
    sealed.tamper(
        "update events.seal set hash = sha256(hash) where org_id = %(org)s and number = 1", org=sealed.orgs[0]
    )
    problems = sealed.found()
    assert {(problem.kind, problem.seal) for problem in problems} == {("seal_altered", 1), ("seal_altered", 2)}


def test_a_removed_seal_is_named(sealed: Sealed) -> None:
    sealed.tamper("delete from events.seal where org_id = %(org)s and number = 1", org=sealed.orgs[0])
    kinds = [(problem.kind, problem.seal) for problem in sealed.found()]
    assert ("seal_missing", 1) in kinds


def test_a_chain_cut_off_at_its_end_is_found_by_the_anchor(sealed: Sealed, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.jsonl"
    audit.seal(sealed.dsn, anchor)
    assert sealed.found(anchor=anchor) == []
    head = next(
        line for line in map(json.loads, anchor.read_text().splitlines()) if line["org_id"] == str(sealed.orgs[1])
    )
    # Somebody who is thorough: the newest seals, their events and the list of runs go, and nothing contradicts itself.
    sealed.tamper(
        "delete from events.event where org_id = %(org)s and xid >= (select from_xid from events.seal "
        "where org_id = %(org)s and number = %(n)s)",
        "delete from events.seal where org_id = %(org)s and number = %(n)s",
        "delete from events.seal_run r where not exists (select from events.seal s where s.until_xid = r.until_xid)",
        "update events.seal_run r set seal_count = "
        "(select count(*) from events.seal s where s.until_xid = r.until_xid)",
        org=sealed.orgs[1], n=head["number"],
    )  # fmt: skip
    assert sealed.found() == []
    problem = only(sealed.found(anchor=anchor), "anchor_differs")
    assert (problem.org_id, problem.seal) == (str(sealed.orgs[1]), head["number"])
    (tmp_path / "other").write_text("hello")
    with pytest.raises(Refused):
        sealed.found(anchor=tmp_path / "other")


def test_an_archived_month_is_checked_by_its_hash(own: Sealed, tmp_path: Path) -> None:
    before = date(2025, 4, 1)
    assert audit.archive(own.dsn, date(2025, 3, 31), tmp_path, lambda _: None) == [], "the month has not ended"
    (done,) = audit.archive(own.dsn, before, tmp_path, lambda _: None)
    assert (done.partition, done.events) == ("events.event_2025m03", 10)
    lines = list(map(json.loads, gzip.decompress((tmp_path / done.file).read_bytes()).decode().splitlines()))
    assert {line[0] for line in lines} == set(map(str, own.orgs))
    assert lines[0][-1]["text"] == 'a "quoted" text, ü'
    assert own.root.execute("select to_regclass('events.event_2025m03')").fetchone() == (None,)
    assert own.events(0, old=True) == []
    report = audit.verify(own.dsn, archives=tmp_path)
    assert (report.problems, report.archived_events) == ([], 10)
    assert audit.archive(own.dsn, before, tmp_path, lambda _: None) == []
    told = own.root.execute("select payload ->> 'sha256' from events.event where type = 'organization.events_archived'")
    assert told.fetchall() == [(done.sha256,), (done.sha256,)]

    # The file is another: noticed where the files are at hand. The list of archives is another: noticed always.
    (tmp_path / done.file).write_bytes(gzip.compress(b"[]\n"))
    assert own.found() == []
    assert only(own.found(archives=tmp_path), "archive_differs").partition == done.partition
    own.tamper("update events.archive set leaves_sha256 = sha256('x')")
    assert only(own.found(), "archive_differs").partition == done.partition
    own.tamper("delete from events.archive")
    assert {problem.kind for problem in own.found()} == {"partition_missing"}


def test_nothing_is_archived_that_is_not_as_it_was_sealed(own: Sealed, tmp_path: Path) -> None:
    own.root.execute(
        "insert into events.event (org_id, id, type, entity) "
        "values (%s, uuidv7(%s::timestamptz - clock_timestamp()), 'item.x', 'item')",
        [own.orgs[0], OLD],
    )
    with pytest.raises(Refused, match="without a seal"):
        audit.archive(own.dsn, date(2025, 4, 1), tmp_path, lambda _: None)
    own.seal()
    own.tamper("update events.event set type = 'item.y' where id = %(id)s", id=own.events(0, old=True)[0])
    with pytest.raises(Refused, match="not as they were sealed"):
        audit.archive(own.dsn, date(2025, 4, 1), tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []
    assert len(own.events(0, old=True)) == 6


def test_the_command_says_what_and_where(sealed: Sealed, tmp_path: Path) -> None:
    run = CliRunner().invoke
    url = ["--database-url", sealed.dsn]
    done = run(cli.command, ["seal", *url, "--anchor", str(tmp_path / "a"), "--format", "json"])
    assert (done.exit_code, len(json.loads(done.stdout)["heads"])) == (0, 2), done.output
    assert run(cli.command, ["verify", *url, "--anchor", str(tmp_path / "a")]).exit_code == 0
    victim = sealed.events(0)[0]
    sealed.tamper("delete from events.event where id = %(id)s", id=victim)
    found = run(cli.command, ["verify", *url])
    assert found.exit_code == 1
    assert str(victim) in found.stdout
    assert "event_removed" in found.stdout
    refused = run(cli.command, ["archive", *url, "--before", "2025-04-01", "--into", str(tmp_path), "--yes"])
    assert (refused.exit_code, "not as they were sealed" in refused.output) == (1, True)
