"""Which file and line make an object of the catalog, so that a finding about it can be shown there."""

from __future__ import annotations

from typing import Any

from pglast import ast, enums

from erpgres.lint.source import Source, Tree


class Locator:
    """Finds objects by the names that catalog rules give them.

    `schema.table`, `schema.table.what` (column, constraint, index, policy, trigger), `schema.function(types)`.
    """

    def __init__(self, tree: Tree) -> None:
        self._places: dict[str, tuple[str, int]] = {}
        for source in tree.sources:
            for node, line, _ in source.spans:
                self._add(source, node, line)

    def find(self, name: str) -> tuple[str | None, int]:
        """Return file and line of an object, of what it is part of if it is not found itself, or (None, 0)."""
        wanted = name.partition("(")[0].split()[0] if name.strip() else ""
        while wanted:
            if wanted in self._places:
                return self._places[wanted]
            if "." not in wanted:
                break
            wanted = wanted.rpartition(".")[0]
        return None, 0

    def _put(self, name: str, source: Source, line: int) -> None:
        self._places.setdefault(name, (source.shown, line))

    def _add(self, source: Source, node: Any, line: int) -> None:
        if isinstance(node, ast.CreateStmt):
            table = _name(node.relation)
            self._put(table, source, line)
            for item in node.tableElts or ():
                self._part(table, source, item, line)
        elif isinstance(node, ast.AlterTableStmt):
            for command in node.cmds or ():
                added = (enums.AlterTableType.AT_AddColumn, enums.AlterTableType.AT_AddConstraint)
                if command.subtype in added:
                    self._part(_name(node.relation), source, command.def_, line)
        elif isinstance(node, ast.IndexStmt):
            self._put(f"{_name(node.relation)}.{node.idxname}", source, line)
        elif isinstance(node, ast.ViewStmt):
            self._put(_name(node.view), source, line)
        elif isinstance(node, ast.CreateTableAsStmt):
            self._put(_name(node.into.rel), source, line)
        elif isinstance(node, ast.CreatePolicyStmt):
            self._put(f"{_name(node.table)}.{node.policy_name}", source, line)
        elif isinstance(node, ast.CreateTrigStmt):
            self._put(f"{_name(node.relation)}.{node.trigname}", source, line)
        elif isinstance(node, ast.CreateFunctionStmt):
            self._put(".".join(part.sval for part in node.funcname), source, line)

    def _part(self, table: str, source: Source, item: Any, line: int) -> None:
        location = getattr(item, "location", None)
        at = source.line(location) if location and location > 0 else line
        name = getattr(item, "colname", None) or getattr(item, "conname", None)
        if name:
            self._put(f"{table}.{name}", source, at)
        for constraint in getattr(item, "constraints", None) or ():
            if constraint.conname:
                self._put(f"{table}.{constraint.conname}", source, at)


def _name(relation: Any) -> str:
    return f"{relation.schemaname}.{relation.relname}" if relation.schemaname else str(relation.relname)
