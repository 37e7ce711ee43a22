"""The commands `migrate`, `schema` and `verify`, on the repository's own tree and a database of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from erpgres.cli import main

from .conftest import Server


@dataclass
class Caller:
    """Calls the command line on one database."""

    dsn: str
    state: Path

    def __call__(self, *arguments: str) -> Result:
        environment = {"ERPGRES_DATABASE_URL": self.dsn, "ERPGRES_STATE": str(self.state)}
        return CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def call(server: Server, new_database: Callable[[], str], tmp_path: Path) -> Caller:
    """Call the command line on a database that is empty at first."""
    return Caller(server.as_role("migrator", new_database()), tmp_path / "state")


def test_migrate_and_its_status(call: Caller) -> None:
    """The first migration is enough here: all of them, and the layer, are applied whenever a stack starts."""
    before = call("migrate", "status", "--format", "json")
    assert before.exit_code == 1 and json.loads(before.stdout)["applied"] == []

    dry = call("migrate", "--dry-run", "--target", "1")
    assert dry.exit_code == 0, dry.output
    assert "would have been applied V0001__core_claims.sql" in dry.stdout
    assert json.loads(call("migrate", "status", "--format", "json").stdout)["applied"] == []

    done = call("migrate", "--target", "1", "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["applied"] == ["V0001__core_claims.sql"]
    behind = json.loads(call("migrate", "status", "--format", "json").stdout)
    assert behind["applied"] == ["V0001__core_claims.sql"] and behind["pending"] and not behind["current"]


def test_nothing_to_do_and_verify(clone: str, migrator: str, tmp_path: Path) -> None:
    """On a database that is migrated."""
    call = Caller(migrator, tmp_path / "state")
    assert call("migrate").stdout.startswith("nothing to do")

    after = call("migrate", "status", "--format", "json")
    assert after.exit_code == 0 and json.loads(after.stdout)["current"] is True

    verified = call("verify", "--format", "json")
    assert verified.exit_code == 0, verified.output
    assert all(finding["holds"] for finding in json.loads(verified.stdout))
    assert call("verify", "nowhere").exit_code == 1

    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("grant usage on schema core to pg_monitor")
    assert call("schema", "check").exit_code == 1


@pytest.mark.drill
def test_drill_an_empty_database_is_migrated_by_the_command(call: Caller) -> None:
    dry = call("migrate", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would have been applied V0001__core_claims.sql" in dry.stdout
    done = call("migrate", "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["applied"][0] == "V0001__core_claims.sql"
    assert call("migrate").stdout.startswith("nothing to do")
    assert call("verify").exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        "migrate",
        "migrate status",
        "migrate new",
        "migrate release",
        "migrate plan",
        "migrate locks",
        "migrate locks measure",
        "schema",
        "schema dump",
        "schema check",
        "verify",
    ],
)
def test_help_has_an_example(command: str) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0 and f"erpgres {command.split()[0]}" in done.output and "Example" in done.output


def test_errors_are_one_line_and_a_hint(call: Caller) -> None:
    done = call("migrate", "--target", "9999")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: there is no migration 9999\nhint: the newest is ")
    assert call("verify", "--timeout", "soon").stderr.startswith("error: not a time: soon\nhint: ")
    assert call("migrate", "--database-url", "nonsense").exit_code == 2
    done = call("migrate", "--database-url", "host=127.0.0.1 port=1 user=nobody")
    assert done.exit_code == 2 and done.stderr.startswith("error: cannot connect: ")
