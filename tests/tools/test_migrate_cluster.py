"""Preparing a cluster: as superuser, and as a DBA who has CREATEROLE only, on a cluster of the test's own.

One case migrates all of it. The others stop after the first migration, which makes the schemas: test_stack.py migrates
a database that a DBA owns, and every stack one of a superuser.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from erpgres.errors import CannotRun, Refused
from erpgres.migrate import cluster, runner, snapshot

from .conftest import Server

PASSWORDS: Callable[[str], str] = "a long password for {}".format


@pytest.fixture(scope="module")
def fresh(server: Server) -> Iterator[str]:
    """A cluster without any role of ours; gives the conninfo of its superuser. Asks everybody for a password."""
    home = Path(tempfile.mkdtemp(prefix="erpgres-cluster-"))
    account = os.environ.get("ERPGRES_RUN_AS", "postgres") if os.geteuid() == 0 else None
    prefix = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
    if account:
        shutil.chown(home, account)

    def run(*command: str) -> None:
        subprocess.run(
            [*prefix, *command],
            check=True,
            capture_output=True,
            cwd=home,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )

    password = home / "password"
    password.write_text("superuser password")
    password.chmod(0o644)
    bindir, data = str(server.bindir), str(home / "data")
    run(
        f"{bindir}/initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        f"--pwfile={password}",
        "-N",
        "-E",
        "UTF8",
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    run(f"{bindir}/pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield make_conninfo(host=str(home), user="postgres", password="superuser password", dbname="postgres")
    finally:
        run(f"{bindir}/pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def as_dba(fresh: str) -> Iterator[Callable[[str], str]]:
    """Make a DBA with the given attributes and no role of ours in the cluster; gives his conninfo."""

    def make(attributes: str) -> str:
        execute(fresh, f"create role dba login password 'dba password' {attributes}")
        return make_conninfo(fresh, user="dba", password="dba password")

    yield make
    with psycopg.connect(fresh, autocommit=True) as connection:
        for (name,) in connection.execute(
            "select datname from pg_database where datname not in ('postgres', 'template0', 'template1')"
        ).fetchall():
            connection.execute(f'drop database "{name}" with (force)')
        for (name,) in connection.execute("select rolname from pg_roles where oid >= 16384").fetchall():
            connection.execute(f"drop owned by {name} cascade")
        for (name,) in connection.execute("select rolname from pg_roles where oid >= 16384").fetchall():
            connection.execute(f"drop role {name}")


def migrator(dsn: str, database: str) -> str:
    return make_conninfo(dsn, user="migrator", password=PASSWORDS("migrator"), dbname=database)


def test_as_superuser_twice(fresh: str, as_dba: object) -> None:
    first = cluster.apply(fresh, PASSWORDS, "erp").splitlines()
    assert "created the database erp" in first and "set the password of migrator" in first
    runner.migrate(migrator(fresh, "erp"), target=1)
    second = cluster.apply(fresh, PASSWORDS, "erp").splitlines()
    assert not [line for line in second if line.startswith(("created", "set the password", "skipped"))]
    changed = cluster.apply(fresh, lambda role: PASSWORDS(role) + "!" * (role == "relay"), "erp").splitlines()
    assert [line for line in changed if "password" in line] == ["set the password of relay"]
    with psycopg.connect(make_conninfo(fresh, user="relay", password=PASSWORDS("relay") + "!", dbname="erp")):
        pass


def test_only_a_generated_password_is_worked_out_once(fresh: str, as_dba: object) -> None:
    def generated(role: str) -> str:
        return f"{role:x<40}"

    for secret, expected in ((PASSWORDS, 4096), (generated, 1), (PASSWORDS, 4096)):
        cluster.apply(fresh, secret, "erp")
        with psycopg.connect(fresh) as connection:
            stored = dict(connection.execute("select rolname, rolpassword from pg_authid where rolcanlogin").fetchall())
        assert cluster.iterations(stored["authenticator"]) == expected
        assert cluster.iterations(stored["migrator"]) == cluster.iterations(stored["monitor"]) == 4096
        for role in ("authenticator", "migrator"):
            psycopg.connect(make_conninfo(fresh, user=role, password=secret(role), dbname="erp")).close()
    # An installation from before has the right password with other iterations.
    cluster.apply(fresh, generated, "erp")
    with psycopg.connect(fresh, autocommit=True) as connection:
        connection.execute(f"alter role authenticator password '{generated('authenticator')}'")
    again = [line for line in cluster.apply(fresh, generated, "erp").splitlines() if "password" in line]
    assert again == ["set the password of authenticator"]


def test_as_a_dba_who_may_create_databases(fresh: str, as_dba: Callable[[str], str], server: Server) -> None:
    dba = as_dba("createrole createdb")
    done = cluster.apply(dba, PASSWORDS, "erp")
    assert "created the database erp" in done
    assert "skipped sql/cluster/20_statistics.sql: it needs a superuser" in done
    cluster.apply(dba, PASSWORDS, "erp")
    dsn = migrator(fresh, "erp")
    assert runner.migrate(dsn).applied
    assert not runner.migrate(dsn).changed
    assert "core.sql" in snapshot.dump(dsn, server.bindir)
    with psycopg.connect(make_conninfo(fresh, dbname="erp")) as connection:
        assert connection.execute(
            "select pg_get_userbyid(datdba), (select rolsuper from pg_roles where rolname = 'dba')"
            " from pg_database where datname = 'erp'"
        ).fetchone() == ("owner", False)


def test_as_a_dba_who_owns_the_database(fresh: str, as_dba: Callable[[str], str]) -> None:
    dba = as_dba("createrole")
    with pytest.raises(CannotRun, match="dba may not create the database erp"):
        cluster.apply(dba, PASSWORDS, "erp")
    execute(fresh, "create database erp owner dba")
    assert "granted owner what it needs on the database erp" in cluster.apply(dba, PASSWORDS, "erp")
    assert "granted" not in cluster.apply(dba, PASSWORDS, "erp")
    assert runner.migrate(migrator(fresh, "erp"), target=1).applied
    with psycopg.connect(make_conninfo(fresh, dbname="erp")) as connection:
        row = connection.execute("select count(*) from pg_namespace where nspowner = 'owner'::regrole").fetchone()
    assert row is not None and row[0] >= 9


def test_who_may_not(fresh: str, as_dba: Callable[[str], str]) -> None:
    nobody = as_dba("nocreaterole")
    with pytest.raises(CannotRun, match="neither superuser nor has CREATEROLE"):
        cluster.apply(nobody, PASSWORDS, "erp")
    with pytest.raises(CannotRun, match="cannot connect"):
        cluster.apply(make_conninfo(nobody, password="wrong"), PASSWORDS, "erp")


def test_roles_made_by_somebody_else(fresh: str, as_dba: Callable[[str], str]) -> None:
    dba = as_dba("createrole createdb")
    cluster.apply(fresh, PASSWORDS, "erp")
    with pytest.raises(Refused, match=r"sql/cluster/00_roles.sql line \d+: permission denied to alter role"):
        cluster.apply(dba, PASSWORDS, "erp2")


def test_who_may_not_migrate(fresh: str, as_dba: Callable[[str], str]) -> None:
    dba = as_dba("")
    cluster.apply(fresh, PASSWORDS, "erp")
    execute(fresh, "grant connect on database erp to dba")
    with pytest.raises(CannotRun, match="dba may not become owner"):
        runner.migrate(make_conninfo(dba, dbname="erp"))


def test_migrate_needs_the_roles(fresh: str, as_dba: Callable[[str], str]) -> None:
    as_dba("")
    with pytest.raises(CannotRun, match="there is no role owner"):
        runner.migrate(fresh)
