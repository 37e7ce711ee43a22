"""What can be made anew at any time is no migration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import MIGRATION, Source

_ELSEWHERE = {
    ast.CreateFunctionStmt: "a function belongs in functions/",
    ast.CreateTrigStmt: "a trigger belongs in functions/",
    ast.ViewStmt: "a view belongs in sql/api/ or sql/analytics/",
    ast.CreatePolicyStmt: "a policy belongs in policies/",
    ast.AlterPolicyStmt: "a policy belongs in policies/",
    ast.CreateExtensionStmt: "an extension belongs in sql/cluster/",
    ast.CreateRoleStmt: "a role belongs in sql/cluster/",
    ast.AlterRoleStmt: "a role belongs in sql/cluster/",
    ast.AlterRoleSetStmt: "the setting of a role belongs in sql/cluster/",
    ast.AlterDatabaseSetStmt: "the setting of a database belongs in sql/cluster/",
}


class RightTree(Rule):
    """functions, triggers, views, policies, grants and roles are no migrations

    They have trees of their own, from which they are made again whenever their file changes. In a migration they
    would be frozen, and drift from what the file says. A column's default or a constraint that needs a function is
    the exception: suppress the rule there with that reason. A function that a released migration made is replaced by
    a migration.
    """

    kinds = (MIGRATION,)
    hint = "move the statement; see the table in docs/architecture.md"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the kind of each statement."""
        for node, line, _ in source.spans:
            if _replaces(node, source):
                continue
            if type(node) in _ELSEWHERE:
                yield Problem(line, _ELSEWHERE[type(node)])
            elif isinstance(node, ast.GrantStmt) and node.is_grant and node.objtype.name != "OBJECT_SCHEMA":
                yield Problem(line, "a grant belongs in policies/, that of a function beside it")


def _replaces(node: Any, source: Source) -> bool:
    """Say whether a statement changes a function that a released migration made."""
    return (
        isinstance(node, ast.CreateFunctionStmt)
        and bool(node.replace)
        and ".".join(part.sval for part in node.funcname) in source.migrated
    )
