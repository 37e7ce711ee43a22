"""Which file of the repository makes an object."""

from __future__ import annotations

import re
from pathlib import Path

from pglast import ast

from erpgres.drift.compare import Difference
from erpgres.drift.mend import Recorded
from erpgres.drift.surface import REFERENCE_ROW, reference_files
from erpgres.lint import runner as lint
from erpgres.lint.locate import Locator
from erpgres.lint.source import POLICY, Tree

_CLUSTER = {
    "role": "sql/cluster/00_roles.sql", "membership": "sql/cluster/00_roles.sql",
    "role_setting": "sql/cluster/00_roles.sql", "database": "sql/cluster/10_database.sql",
    "database_setting": "sql/cluster/10_database.sql", "default_privileges": "sql/cluster/10_database.sql",
    "extension": "sql/cluster/10_database.sql", "parameter": "tools/erpgres/stack/postgres.py",
}  # fmt: skip
_PARTITION = re.compile(r"_\d{4}(q[1-4]|m\d\d|d\d{4})$")


class Places:
    """Finds the file, and the line where it is known, that makes what a difference is about."""

    def __init__(self, root: Path, domains: list[str], recorded: Recorded) -> None:
        tree, _ = lint.read_tree(root)
        self._locator = Locator(tree)
        self._recorded = recorded
        self._granted = _granted(tree)
        self._references = {
            ".".join(table): [path.relative_to(root).as_posix() for path in paths]
            for table, paths in reference_files(root, domains).items()
        }
        self._root = root
        self._schemas = {
            node.schemaname: source.shown
            for source in tree.sources
            for node, _, _ in source.spans
            if isinstance(node, ast.CreateSchemaStmt)
        }
        self._bookkeeping = {
            f"ops.{name}" for name in ("schema_version", "migration_file", "repeatable_file", "repeatable_object")
        }
        self._migrations = {path.name[:5]: f"migrations/{path.name}" for path in (root / "migrations").glob("V*.sql")}

    def find(self, difference: Difference) -> tuple[str | None, int | None]:
        """Return file and line; (None, None) for what no file makes."""
        fact = difference.fact
        kind, identity = fact.kind, fact.identity
        table, _, own = identity.rpartition(".")
        if kind == "table" and fact.properties["_partition"]:
            return self._locator.find(str(fact.properties["parent"][0]))
        if _PARTITION.search(table) and kind != "function":
            identity, table = f"{_PARTITION.sub('', table)}.{own}", _PARTITION.sub("", table)
        if kind == "extension" and identity == "pg_stat_statements":
            return "sql/cluster/20_statistics.sql", None
        if kind == "schema" and identity == "public":
            return "sql/cluster/10_database.sql", None
        if kind in _CLUSTER:
            return _CLUSTER[kind], None
        if kind == "applied_file":
            return (identity, None) if (self._root / identity).exists() else (None, None)
        if kind == "applied_migration":
            return self._migrations.get(identity), None
        if kind == REFERENCE_ROW:
            return self._reference(fact.properties["_table"], identity), None
        recorded = {
            "trigger": ("trigger", f"{own} on {table}"),
            "policy": ("access", table),
            "schema": ("schema", identity),
        }.get(kind, (kind, identity))
        if difference.name in ("grants", "row security") and kind in ("table", "column"):
            recorded = ("access", identity if kind == "table" else table)
        if difference.name == "grants" and kind == "view":
            return self._granted.get(identity) or self._recorded.get(recorded), None
        if kind == "column" and ("view", table) in self._recorded:
            recorded = ("view", table)
        if identity in self._bookkeeping or table in self._bookkeeping:
            return "tools/erpgres/migrate/bookkeeping.py", None
        if kind == "schema" and recorded not in self._recorded:
            return self._schemas.get(identity), None
        if recorded in self._recorded:
            path = self._recorded[recorded]
            file, line = self._locator.find(identity)
            return path, line if file == path and line else None
        file, line = self._locator.find(identity)
        return file, line or None

    def _reference(self, table: str, identity: str) -> str | None:
        """Return the file of a row: the one that has its key, else the first of the table."""
        paths = self._references.get(table, [])
        key = identity.partition(" ")[2].split(" ")[0]
        for path in paths:
            lines = (self._root / path).read_text(encoding="utf-8").splitlines()
            if any(line.partition(",")[0].strip('"') == key for line in lines):
                return path
        return paths[0] if paths else None


def _granted(tree: Tree) -> dict[str, str]:
    """Return which file of policies grants something on a view."""
    found: dict[str, str] = {}
    for source in tree.sources:
        if source.kind != POLICY:
            continue
        for node, _, _ in source.spans:
            for item in (node.objects or ()) if isinstance(node, ast.GrantStmt) else ():
                if isinstance(item, ast.RangeVar):
                    found.setdefault(f"{item.schemaname}.{item.relname}", source.shown)
    return found
