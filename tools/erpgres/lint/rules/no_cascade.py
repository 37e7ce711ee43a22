"""Nothing is removed that is not named."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import MIGRATION, Source

_EMPTYING = {"n": "on delete set null", "d": "on delete set default"}


class NoCascade(Rule):
    """nothing is dropped with CASCADE, and a composite foreign key does not empty org_id

    DROP … CASCADE removes what nobody looked at. ON DELETE SET NULL on (org_id, x_id) sets both columns: the row
    loses its organisation; SET NULL (x_id) names the one that is meant.
    """

    kinds = (MIGRATION,)
    hint = "name what is dropped; on delete set null (x_id)"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at DROP and at foreign keys."""
        for _, line, nodes in source.nodes:
            for node in nodes:
                if isinstance(node, (ast.DropStmt, ast.AlterTableCmd)):
                    if node.behavior is not None and node.behavior.name == "DROP_CASCADE":
                        yield Problem(line, "DROP … CASCADE")
                elif isinstance(node, ast.Constraint) and node.contype.name == "CONSTR_FOREIGN":
                    action = getattr(node.fk_del_action, "value", node.fk_del_action)
                    if action in _EMPTYING and len(node.fk_attrs or ()) > 1 and not node.fk_del_set_cols:
                        at = source.line(node.location)
                        yield Problem(at, f"{_EMPTYING[action]} of every column", node.conname or "")
