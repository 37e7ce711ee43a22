"""`erpgres drift`: every kind of change by hand is found, what time and tenants make is not, and what mends it does."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from conftest import called, erpgres, locked
from erpgres.drift import compare, parameters, run, surface
from erpgres.drift.mend import MIGRATE
from erpgres.drift.run import Finding
from erpgres.lint import scratch
from erpgres.migrate import cluster, files, runner
from erpgres.settings import ROOT
from erpgres.stack.state import State

from .conftest import Server
from .drift_injections import INJECTIONS, Injection

ROLES = [
    "anon", "analyst", "authenticator", "member", "migrator", "monitor", "owner", "partner", "relay", "superadmin",
    "worker",
]  # fmt: skip
RELEASED = [migration.version for migration in files.read_migrations() if migration.released]
SOME = [RELEASED[len(RELEASED) // 2]]


@dataclass
class World:
    """A migrated database with every injection in it: what was found, and what is left after mending."""

    findings: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def the(self, injection: Injection) -> list[Finding]:
        wanted = (injection.kind, self.fill(injection.object), injection.change, injection.what)
        return [f for f in self.findings if (f.kind, f.object, f.change, f.property) == wanted]

    def fill(self, text: str) -> str:
        for name, value in self.places.items():
            text = text.replace("{" + name + "}", value)
        return text


def look(connection: psycopg.Connection[Any], wanted: surface.Surface, names: list[str]) -> list[compare.Difference]:
    """What the session sees now against what it saw before. Settings are those of the session."""
    settings = parameters.expected(None)
    del settings["parameter fsync"], settings["parameter full_page_writes"]  # off where nothing is kept
    should, has = parameters.read(connection, settings)
    surface.prepare(connection, names)
    found = surface.read(connection) | surface.reference_rows(connection)
    connection.execute("reset role")
    return compare.compare(run.settle_partitions(wanted, found, run._required(connection)) | should, found | has)


@pytest.fixture(scope="module")
def world() -> World:
    """All injections in one transaction of a database that nobody else knows, undone at the end."""
    with scratch.database(scratch.cache_folder()) as dsn, psycopg.connect(dsn) as connection:
        connection.execute("set lock_timeout = '5s'")
        names = surface.roles(connection)
        made = World()
        now = datetime.now(UTC)
        quarter = f"{now.year}q{(now.month + 2) // 3}"
        row = connection.execute("select quote_ident(current_database()), 'core.convert'::regproc::oid::regprocedure")
        database, convert = row.fetchone() or ("", "")
        made.places = {
            "database": database, "quarter": quarter, "month": f"{now.year}m{now.month:02}", "core.convert": convert,
        }  # fmt: skip
        connection.execute("select ops.ensure_partitions()")
        recorded = run._recorded(connection)
        surface.prepare(connection, names)
        wanted = surface.read(connection) | surface.reference_rows(connection)
        connection.execute("reset role")
        for injection in INJECTIONS:
            try:
                connection.execute(made.fill(injection.sql).encode())
            except psycopg.Error as error:
                raise AssertionError(f"{injection.sql}: {error}") from error
        made.findings = run.locate(look(connection, wanted, names), ROOT, recorded)
        connection.execute("set session_replication_role = origin; set log_parameter_max_length = 0")
        for finding in made.findings:
            if finding.mend.endswith(";"):
                try:
                    with connection.transaction():
                        connection.execute(re.sub("(?i) concurrently", "", finding.mend).encode())
                except psycopg.Error as error:
                    made.failed.append(f"{finding.kind} {finding.object}: {finding.mend}: {error}")
        made.left = run.locate(look(connection, wanted, names), ROOT, recorded)
        connection.rollback()
    return made  # the server is given back before other tests ask for it


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
def test_a_change_by_hand_is_found(world: World, injection: Injection) -> None:
    found = world.the(injection)
    assert len(found) == 1, [f"{f.kind} {f.object} {f.change} {f.property}" for f in world.findings]
    assert found[0].mend and found[0].detail
    if injection.change != "extra":
        assert found[0].file and (ROOT / found[0].file).is_file()
    if injection.mended:
        assert world.the(injection)[0] not in world.left


def test_nothing_else_is_found(world: World) -> None:
    wanted = [found for injection in INJECTIONS for found in world.the(injection)]
    others = [f"{f.kind} {f.object}: {f.detail}" for f in world.findings if f not in wanted]
    assert others == []


@pytest.mark.drill
def test_what_is_said_to_mend_can_be_run(world: World) -> None:
    refused = {"schema attic", "extension pg_trgm", "function core.on_ddl()"}  # in use; no such version ever was
    assert [line for line in world.failed if line.partition(": ")[0] not in refused] == []


def said(findings: list[Finding]) -> list[str]:
    """The findings in words, without what a database made from another loses: its own grants and settings."""
    return [f"{f.kind} {f.object}: {f.detail}" for f in findings if f.kind not in ("database", "database_setting")]


def snapshot(dsn: str) -> surface.Surface:
    with psycopg.connect(dsn) as connection:
        surface.prepare(connection, ROLES)
        found = surface.read(connection) | surface.reference_rows(connection)
        connection.rollback()
    return found


def test_migrate_makes_the_layer_again(world: World, clone: str, stack: State) -> None:
    """What is said to be mended by `erpgres migrate` is."""
    healed = [item for item in INJECTIONS if any(found.mend == MIGRATE for found in world.the(item))]
    assert len(healed) > 20
    with psycopg.connect(clone, autocommit=True) as connection:
        name = connection.info.dbname
        cluster.apply(stack.dsn("postgres"), stack.secret, name)
        before = snapshot(clone)
        for injection in healed:
            connection.execute(world.fill(injection.sql).encode())
    assert len(compare.compare(before, snapshot(clone))) >= len(healed)
    runner.migrate(stack.dsn("migrator", name))
    left = compare.compare(before, snapshot(clone))
    assert [f"{item.fact.key}: {compare.describe(item)}" for item in left] == []


@pytest.fixture
def own_roles() -> Iterator[None]:
    """The roles of the cluster are everybody's: one makes some that do not belong there, others would find them."""
    with locked("roles"):
        yield


@pytest.mark.usefixtures("own_roles")
def test_what_time_and_tenants_make_is_no_drift(server: Server, clone: str) -> None:
    """Partitions of past and future, an organisation, an analyst's login, an administrator of the cluster."""
    name = str(conninfo_to_dict(clone)["dbname"])
    cluster.apply(server.dsn, server.secret, name)
    tag = name.removeprefix("clone_")
    with scratch.database(scratch.cache_folder()) as expected, server.admin(name) as connection:
        connection.execute("select core.create_organization(%s, 'Drift', 'BD', 'USD')", [f"D{tag.upper()}"])
        connection.execute("select ops.create_partition('wms.document', '2019-05-05')")
        connection.execute("select ops.create_partition('events.event', now() + interval '200 days')")
        farthest = connection.execute(
            "select ops.partition_name('events.event', 'month', now() + make_interval(months => periods_ahead))"
            " from ops.partition_policy where table_name = 'events.event'"
        ).fetchone()
        assert farthest is not None
        connection.execute(f"drop table {farthest[0]}".encode())
        try:
            connection.execute(f"create role analyst_{tag} login in role analyst".encode())
            connection.execute(f"create role dba_{tag} createrole in role owner".encode())
            # The one thing that is none of that: it is found, and nothing else.
            connection.execute(f"create role intruder_{tag} in role owner".encode())
            found, compared = run.between(server.as_role("migrator", name), expected)
            assert said(found) == [f"membership intruder_{tag} in owner: is not of the repository"]
            assert compared > 3000
        finally:
            for role in ("analyst", "dba", "intruder"):
                connection.execute(f"drop role if exists {role}_{tag}".encode())


def upgraded(version: int, server: Server, new_database: Callable[[], str], clone: str) -> list[str]:
    """What a database that was at a released version and is migrated to the newest lacks or has too much."""
    name = new_database()
    dsn = server.as_role("migrator", name)
    runner.migrate(dsn, target=version)
    runner.migrate(dsn)
    return said(run.between(dsn, clone)[0])


@pytest.mark.parametrize("version", SOME)
def test_an_upgrade_makes_what_an_installation_makes(
    version: int, server: Server, new_database: Callable[[], str], clone: str
) -> None:
    assert upgraded(version, server, new_database, clone) == []


@pytest.mark.drill
@pytest.mark.parametrize("version", [version for version in RELEASED if version not in SOME])
def test_an_upgrade_from_every_release_makes_what_an_installation_makes(
    version: int, server: Server, new_database: Callable[[], str], clone: str
) -> None:
    assert upgraded(version, server, new_database, clone) == []


def reread(found: surface.Surface) -> surface.Surface:
    """Without what changes when PostgreSQL reads its own text again: parentheses, and the name of a nameless column."""

    def plain(value: Any) -> Any:
        plainer = re.sub(r"[()\s]", "", value) if isinstance(value, str) else value
        return re.sub(r"::(\w+?)AS\1", r"::\1", plainer) if isinstance(plainer, str) else plainer

    return {
        key: replace(fact, properties={name: plain(value) for name, value in fact.properties.items()})
        for key, fact in found.items()
    }


@pytest.mark.drill
def test_a_plain_dump_restores_what_was_dumped(clone: str, stack: State, server: Server) -> None:
    """Under the empty search path that a dump sets, with rows: every operator and function is found by its schema."""
    with psycopg.connect(clone, autocommit=True) as connection:
        row = connection.execute("select core.create_organization('DUMP', 'Dump', 'BD', 'USD')").fetchone()
        assert row is not None
        for code in ("A", "B"):
            connection.execute(
                "insert into core.org_unit (org_id, parent_id, code, name, kind) select %s, (select id from"
                " core.org_unit where org_id = %s order by id desc limit 1), %s, %s, 'DEPARTMENT'",
                [row[0], row[0], code, code],
            )
    dumped = subprocess.run(
        [str(stack.bindir / "pg_dump"), f"--dbname={clone}"], capture_output=True, text=True, check=True
    ).stdout
    name = f"restored_{uuid.uuid4().hex[:12]}"
    try:
        with server.admin() as connection:
            connection.execute(f"create database {name} template template0 owner owner".encode())
        target = stack.dsn("postgres", name)
        program = [str(stack.bindir / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={target}"]
        done = subprocess.run(program, input=dumped, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        left = compare.compare(reread(snapshot(clone)), reread(snapshot(target)))
        assert [f"{item.fact.key}: {item.name}" for item in left if item.fact.kind != "database"] == []
        query = "select count(*), max(path::text) from core.org_unit"
        with psycopg.connect(clone) as one, psycopg.connect(target) as other:
            found = one.execute(query).fetchone()
            assert found == other.execute(query).fetchone() and found is not None and found[0] >= 2
    finally:
        server.drop(name)


@pytest.mark.usefixtures("own_roles")
def test_the_command(stack: State, clone: str, tmp_path: Path) -> None:
    with psycopg.connect(clone) as connection:
        cluster.apply(stack.dsn("postgres"), stack.secret, connection.info.dbname)
    done = erpgres("drift", "--database-url", clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("no difference; ")
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("alter table core.partner alter column name drop not null")
        connection.execute("create table core.stray (id int)")
    meant = tmp_path / "meant.csv"
    meant.write_text("kind,object,reason\ntable,core.stray,somebody looks at it\n")
    done = called("drift", "--database-url", clone, "--except", str(meant), "--format", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report["equal"] and report["accepted"] == ["table core.stray: somebody looks at it"]
    (column,) = report["findings"]
    assert (column["object"], column["property"]) == ("core.partner.name", "not null")
    assert column["file"] == "migrations/V0004__core_partners.sql" and column["line"] > 1
    assert column["mend"] == "alter table core.partner alter column name set not null;"
    text = run.text(run.Report(findings=[Finding(**column)], accepted=report["accepted"], compared=7, seconds=0.5))
    assert text.splitlines() == [
        f"column core.partner.name: not null: no instead of yes (migrations/V0004__core_partners.sql:{column['line']})",
        "    mend: alter table core.partner alter column name set not null;",
        "accepted: table core.stray: somebody looks at it",
        "1 differences; 7 objects compared in 0.5 s",
    ]
    meant.write_text("kind,object,reason\ntable,core.stray,\n")
    done = called("drift", "--database-url", clone, "--except", str(meant))
    assert done.returncode == 1 and "line 2" in done.stderr


@pytest.mark.usefixtures("own_roles")
def test_a_database_that_is_behind_is_compared_with_what_it_should_be(
    server: Server, new_database: Callable[[], str]
) -> None:
    """With its own migrations, not with those that are pending."""
    name = new_database()
    dsn = server.as_role("migrator", name)
    runner.migrate(dsn, target=5)
    with server.admin(name) as connection:
        connection.execute("alter table core.item alter column sku drop not null")
    cluster.apply(server.dsn, server.secret, name)
    report = run.run(dsn, cache=scratch.cache_folder())
    assert report.version == 5 and len(report.pending) == report.newest - 5
    assert [(item.kind, item.object, item.property) for item in report.findings] == [
        ("column", "core.item.sku", "not null")
    ]


@pytest.mark.parametrize(
    ("value", "unit", "kind", "normal"),
    [
        ("256MB", "8kB", "integer", "268435456 bytes"), ("32768", "8kB", "integer", "268435456 bytes"),
        ("15min", "s", "integer", "900000000 us"), ("900", "s", "integer", "900000000 us"),
        ("yes", None, "bool", "on"), ("1.10", None, "real", "1.1"), ("-1", "ms", "integer", "-1"),
        ("replica", None, "enum", "replica"),
    ],
)  # fmt: skip
def test_settings_are_compared_by_value(value: str, unit: str | None, kind: str, normal: str) -> None:
    assert parameters.normal(value, unit, kind) == normal
