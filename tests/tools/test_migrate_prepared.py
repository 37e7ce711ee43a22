"""Prepared transactions: nobody's process holds their locks, and a migration that waits for one says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from erpgres.errors import Refused
from erpgres.lint import scratch
from erpgres.migrate import cluster
from erpgres.migrate.plan import live

from .conftest import Tree

NAME = "prepared"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A tree on a server of its own, which knows prepared transactions."""
    with scratch.server(scratch.cache_folder(), NAME, "max_prepared_transactions = 4\n") as state:
        with psycopg.connect(state.dsn("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"drop database if exists {NAME} with (force)".encode())
        cluster.apply(state.dsn("postgres"), state.secret, NAME)
        yield Tree(tmp_path, state.dsn("migrator", NAME), state.dsn("postgres", NAME))


def test_it_is_named_with_the_locks_that_are_its_own(tree: Tree) -> None:
    tree.migration(1, "core_two", "create schema core;\ncreate table core.a (id int);\ncreate table core.b (id int);")
    tree.migrate()
    with psycopg.connect(tree.admin_dsn, autocommit=True) as connection:
        for table in ("a", "b"):
            connection.execute("begin")
            connection.execute(f"insert into core.{table} values (1)".encode())
            connection.execute(f"prepare transaction 'transfer of {table}'".encode())
        try:
            found = live.look(tree.admin_dsn)
            assert {blocker.application: blocker.locks for blocker in found.blockers} == {
                "transfer of a": (("core.a", "ROW EXCLUSIVE"),), "transfer of b": (("core.b", "ROW EXCLUSIVE"),),
            }  # fmt: skip
            (blocker,) = found.waits_for(("core", "b"), "ACCESS EXCLUSIVE")
            said = blocker.describe()
            assert said.startswith("a prepared transaction (user postgres, name transfer of b, prepared), transaction")
            tree.migration(2, "core_more", "alter table core.b add column note text;")
            with pytest.raises(Refused, match="blocked by user postgres, prepared transaction transfer of b, prepared"):
                tree.migrate(attempts=1)
        finally:
            connection.execute("rollback prepared 'transfer of a'")
            connection.execute("rollback prepared 'transfer of b'")
    assert tree.migrate().applied == ["V0002__core_more.sql"]
