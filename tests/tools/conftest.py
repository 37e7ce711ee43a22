"""Scratch databases and scratch trees, on the stack's cluster or on the one that ERPGRES_TEST_DSN names."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from erpgres.lint import scratch
from erpgres.migrate import cluster, runner
from erpgres.migrate.plan import clone as cloning
from erpgres.migrate.runner import Result
from erpgres.stack.state import State

HEADER = "-- domain: {domain}\n-- why: a test\n-- locks: none\n-- breaking: no\n"


@dataclass
class Server:
    """A PostgreSQL cluster: `dsn` is a superuser's, `secret(role)` the password of a login role."""

    dsn: str
    secret: Callable[[str], str]
    bindir: Path

    def as_role(self, role: str, database: str, password: str | None = None) -> str:
        return make_conninfo(self.dsn, user=role, password=password or self.secret(role), dbname=database)

    def admin(self, database: str | None = None) -> psycopg.Connection[Any]:
        dsn = make_conninfo(self.dsn, dbname=database) if database else self.dsn
        return psycopg.connect(dsn, autocommit=True)

    def drop(self, database: str) -> None:
        with self.admin() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    dsn = os.environ.get("ERPGRES_TEST_DSN")
    if dsn:
        password = conninfo_to_dict(dsn).get("password") or "a-password-for-tests"
        return Server(dsn, lambda _: str(password), Path(os.environ["ERPGRES_TEST_BINDIR"]))
    stack = request.getfixturevalue("stack")
    return Server(stack.dsn("postgres"), stack.secret, stack.bindir)


@pytest.fixture(scope="session")
def empty_template(server: Server) -> Iterator[str]:
    """A database with sql/cluster applied and nothing in it."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    cluster.apply(server.dsn, server.secret, name)
    yield name
    server.drop(name)


@contextmanager
def databases(server: Server, template: str) -> Iterator[Callable[[], str]]:
    """Make copies of a database that nobody is connected to; gives their names."""
    names: list[str] = []

    def make() -> str:
        names.append(f"scratch_{uuid.uuid4().hex[:12]}")
        with server.admin() as connection:
            statement = sql.SQL("create database {} owner owner template {} strategy file_copy")
            connection.execute(statement.format(sql.Identifier(names[-1]), sql.Identifier(template)))
            grant = sql.SQL("grant connect on database {} to migrator")
            connection.execute(grant.format(sql.Identifier(names[-1])))
        return names[-1]

    try:
        yield make
    finally:
        for name in names:
            server.drop(name)


@pytest.fixture
def new_database(server: Server, empty_template: str) -> Iterator[Callable[[], str]]:
    """Make empty databases; gives their names."""
    with databases(server, empty_template) as make:
        yield make


@dataclass
class Tree:
    """A small checkout of a test's own, and a database it is applied to."""

    root: Path
    dsn: str
    admin_dsn: str

    def write(self, path: str, text: str) -> Path:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return full

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def migration(self, version: int, what: str, text: str) -> Path:
        header = HEADER.format(domain=what.partition("_")[0])
        return self.write(f"migrations/V{version:04}__{what}.sql", header + dedent(text))

    def migrate(self, **options: Any) -> Result:
        return runner.migrate(self.dsn, root=self.root, **options)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def value(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def execute(self, query: str) -> None:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(query)  # type: ignore[arg-type]

    def objects(self) -> list[tuple[Any, ...]]:
        """Every relation, function, policy and trigger outside the system schemas."""
        return self.rows(
            "select 'relation', c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = relnamespace"
            " where nspname !~ '^pg_' and nspname <> 'information_schema'"
            " union all select 'function', p.oid::regprocedure::text from pg_proc p where oid >= 16384"
            " union all select 'policy', polname from pg_policy"
            " union all select 'trigger', tgname from pg_trigger where not tgisinternal"
            " union all select 'schema', nspname from pg_namespace where nspname !~ '^pg_' order by 1, 2"
        )


@dataclass
class Original:
    """A tree that is applied, and its database: what the tests of a module begin with. `copy()` gives each its own."""

    tree: Tree
    server: Server
    make: Callable[[], str]
    folders: Callable[[], Path]

    def copy(self) -> Tree:
        name = self.make()
        root = self.folders()
        shutil.copytree(self.tree.root, root, dirs_exist_ok=True)
        return Tree(root, self.server.as_role("migrator", name), make_conninfo(self.server.dsn, dbname=name))


@pytest.fixture(scope="module")
def original(
    server: Server, empty_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Callable[[Tree], None]], Original]]:
    """Make the original of a module: `original(fill)`, where fill writes a tree's files, which are then applied."""
    with ExitStack() as exits:

        def make(fill: Callable[[Tree], None]) -> Original:
            name = exits.enter_context(databases(server, empty_template))()
            root = tmp_path_factory.mktemp("original")
            tree = Tree(root, server.as_role("migrator", name), make_conninfo(server.dsn, dbname=name))
            fill(tree)
            tree.migrate()
            copies = exits.enter_context(databases(server, name))
            return Original(tree, server, copies, lambda: tmp_path_factory.mktemp("copy"))

        yield make


@pytest.fixture(scope="module")
def planner() -> Iterator[State]:
    """A PostgreSQL for the clones of `erpgres migrate plan`, running as long as the module; of this process alone."""
    name = f"{cloning.NAME}-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with scratch.server(scratch.cache_folder(), name, cloning.SETTINGS) as state:
        yield state


@pytest.fixture
def new_tree(server: Server, new_database: Callable[[], str], tmp_path: Path) -> Callable[[], Tree]:
    """Make trees, each with a database of its own."""

    def make() -> Tree:
        name = new_database()
        root = tmp_path / name
        root.mkdir()
        return Tree(root, server.as_role("migrator", name), make_conninfo(server.dsn, dbname=name))

    return make


@pytest.fixture
def tree(new_tree: Callable[[], Tree]) -> Tree:
    """An empty tree and an empty database."""
    return new_tree()


@pytest.fixture
def shop(tree: Tree) -> Tree:
    """A tree with one of each thing, not applied yet."""
    tree.migration(
        1,
        "core_item",
        """
        create schema core;
        create schema api;
        create table core.item (
          id int constraint item_pkey primary key,
          name text not null,
          price numeric(10, 2)
        );
        """,
    )
    tree.write(
        "functions/core/tg_item__name.sql",
        """
        -- Trims names.
        create or replace function core.tg_item__name() returns trigger language plpgsql volatile as $$
        begin
          new.name := trim(new.name); -- a comment in a body; with a semicolon
          return new;
        end
        $$;
        create or replace trigger item__name before insert or update on core.item
          for each row execute function core.tg_item__name();
        """,
    )
    tree.write(
        "functions/core/item_price.sql",
        """
        create or replace function core.item_price(item_id int) returns numeric(10, 2) language sql stable
        begin atomic
          select price from core.item where id = item_id;
        end;
        comment on function core.item_price is 'Price of an item';
        grant execute on function core.item_price to member;
        """,
    )
    tree.write(
        "functions/core/item_rename.sql",
        """
        create or replace function api.item_rename(item_id int, name text) returns setof api.items
        language sql volatile as $$
          update core.item set name = item_rename.name where id = item_id;
          select * from api.items where id = item_id;
        $$;
        grant execute on function api.item_rename to member;
        """,
    )
    tree.write(
        "sql/api/core.sql",
        """
        create view api.items with (security_invoker = true) as
        select id, name, core.item_price(id) as price from core.item;
        comment on view api.items is 'Items';
        """,
    )
    tree.write("sql/api/_schema.sql", "grant usage on schema api to member;\n")
    tree.write("sql/analytics/stock.sql", "create view analytics.item_names as select name from api.items;\n")
    tree.write("policies/core/_schema.sql", "grant usage on schema core to member;\n")
    tree.write(
        "policies/core/item.sql",
        """
        create policy item_member_select on core.item for select to member using (id > 0);
        create policy item_owner on core.item to owner using (true);
        grant select on core.item, api.items to member;
        create policy item_member_update on core.item for update to member using (true);
        grant insert (id, name), update (name) on core.item to member;
        """,
    )
    tree.write("sql/reference/core/item.csv", 'id,name,price\n1,"Shirt, blue",9.50\n2,Trousers,\n')
    return tree


@pytest.fixture
def migrator(stack: State, clone: str) -> str:
    """The conninfo of the tools for a clone of one's own."""
    return stack.dsn("migrator", str(conninfo_to_dict(clone)["dbname"]))
