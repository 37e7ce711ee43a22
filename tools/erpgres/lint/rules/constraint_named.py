"""Constraints have names."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast, enums

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import MIGRATION, Source

_NAMED = {
    enums.ConstrType.CONSTR_CHECK: "check",
    enums.ConstrType.CONSTR_PRIMARY: "primary key",
    enums.ConstrType.CONSTR_UNIQUE: "unique",
    enums.ConstrType.CONSTR_EXCLUSION: "exclude",
    enums.ConstrType.CONSTR_FOREIGN: "foreign key",
}
_LONGEST = 63


class ConstraintNamed(Rule):
    """a constraint has a name

    What users read when it is violated, and what a later migration drops by, is not left to chance. What the
    name says is the matter of constraint_in_words. At most 63 bytes: PostgreSQL cuts the rest off.
    """

    kinds = (MIGRATION,)
    hint = "constraint quantity_not_negative check (quantity >= 0)"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the constraints of CREATE and ALTER TABLE and of domains."""
        for statement, line, nodes in source.nodes:
            if not isinstance(statement, (ast.CreateStmt, ast.AlterTableStmt, ast.CreateDomainStmt)):
                continue
            for node in nodes:
                if not isinstance(node, ast.Constraint) or node.contype not in _NAMED:
                    continue
                at = source.line(node.location) if node.location and node.location > 0 else line
                if not node.conname:
                    yield Problem(at, f"a {_NAMED[node.contype]} constraint without a name")
                elif len(node.conname.encode()) > _LONGEST:
                    yield Problem(at, f"{node.conname} is longer than {_LONGEST} bytes", node.conname)
