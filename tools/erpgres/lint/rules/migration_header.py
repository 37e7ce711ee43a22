"""Migrations say what they are for and what they lock."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import MIGRATION, Source
from erpgres.migrate.files import HEADERS, UNSAID, read_header

_LOCKING = (ast.AlterTableStmt, ast.IndexStmt, ast.CreateTrigStmt, ast.CreatePolicyStmt, ast.RenameStmt)


class MigrationHeader(Rule):
    """a migration says its domain, why, which locks it takes, and whether it breaks clients

    `-- domain:`, `-- why:`, `-- locks:` and `-- breaking: yes|no` are what a DBA reads before he runs it.
    `-- locks: none` is right only when every table that it touches is made in the same file. What drops
    or renames a column, a table or a type says `-- breaking: yes`.
    """

    kinds = (MIGRATION,)
    hint = "erpgres migrate new writes a file with the header"

    def check(self, source: Source) -> Iterator[Problem]:
        """Compare the header with the statements."""
        if source.shown.endswith(".check.sql"):
            return
        header = read_header(source.text)
        for key in HEADERS:
            if not header.get(key):
                yield Problem(1, f"the header lacks `-- {key}:`")
            elif header[key].startswith(UNSAID):
                yield Problem(1, f"`-- {key}:` is not filled in")
        if header.get("locks", "").split(" ")[0].strip(".,") == "none":
            yield from self._locks(source)
        if header.get("breaking", "").split(" ")[0] == "no":
            for node, line, _ in source.spans:
                if _breaks(node):
                    yield Problem(line, "takes away what clients may use, and the header says `-- breaking: no`")

    def _locks(self, source: Source) -> Iterator[Problem]:
        made = {
            (node.relation.schemaname, node.relation.relname)
            for node, _, _ in source.spans
            if isinstance(node, ast.CreateStmt)
        }
        for node, line, _ in source.spans:
            if not isinstance(node, _LOCKING):
                continue
            relation = getattr(node, "relation", None) or getattr(node, "table", None)
            if relation is not None and (relation.schemaname, relation.relname) not in made:
                name = f"{relation.schemaname}.{relation.relname}"
                yield Problem(line, f"locks {name}, and the header says `-- locks: none`", name)


def _breaks(node: object) -> bool:
    if isinstance(node, ast.RenameStmt):
        return node.renameType.name in ("OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_VIEW")
    if isinstance(node, ast.DropStmt):
        return node.removeType.name in ("OBJECT_TABLE", "OBJECT_TYPE")
    if isinstance(node, ast.AlterTableStmt):
        return any(command.subtype.name == "AT_DropColumn" for command in node.cmds or ())
    return False
