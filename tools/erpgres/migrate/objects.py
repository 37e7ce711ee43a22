"""Repeatable files: where they lie, what each makes, and what it may not hold. Found by parsing, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pglast import ast, enums

from erpgres import settings
from erpgres.errors import Refused
from erpgres.migrate import sqlfile
from erpgres.migrate.catalog import REBUILT
from erpgres.migrate.sqlfile import Statement

FUNCTIONS, API, PUBLIC, ANALYTICS, POLICY, REFERENCE = range(6)
SCHEMA_FILE = "_schema"


@dataclass(frozen=True)
class Made:
    """An object that a statement makes: `arguments` are a function's type names, `table` a trigger's (schema, name)."""

    kind: str
    schema: str
    name: str
    arguments: tuple[str, ...] = ()
    table: tuple[str, str] | None = None

    @property
    def home(self) -> str:
        """Return the schema whose rebuild drops it."""
        return self.table[0] if self.table else self.schema


@dataclass
class RepeatableFile:
    """A file of the repeatable layer. `order` is (phase, domain order, path); the phase of functions needs its text."""

    path: Path
    shown: str
    sha256: str
    phase: int
    domain: str
    rank: int
    root: Path = field(repr=False)

    @cached_property
    def statements(self) -> list[Statement]:
        """Return the statements; raises Refused for one that does not belong here."""
        found = sqlfile.read(self.path, self.root)
        for statement in found:
            if not isinstance(statement.node, _ALLOWED[self.phase]):
                raise _refuse(statement, f"a {type(statement.node).__name__} does not belong in {_PLACES[self.phase]}")
        return found

    @cached_property
    def makes(self) -> list[Made]:
        """Return the objects this file makes; raises Refused for one in a schema that is not this file's."""
        found = [made for statement in self.statements for made in _made(statement)]
        allowed = {FUNCTIONS: {self.domain, "api"}, API: {"api"}, ANALYTICS: {"analytics"}, POLICY: set()}[self.phase]
        for made in found:
            if made.schema not in allowed and made.kind != "trigger":
                raise Refused(f"{self.shown}: {made.schema}.{made.name} does not belong here: {sorted(allowed)} only")
        return found

    @property
    def homes(self) -> set[str]:
        """Return which of the rebuilt schemas it makes objects in."""
        if self.phase in (API, ANALYTICS):
            return {REBUILT[0] if self.phase == API else REBUILT[1]}
        return {made.home for made in self.makes} & set(REBUILT)

    @property
    def order(self) -> tuple[int, int, str]:
        """Return its place in the run."""
        phase = PUBLIC if self.phase == FUNCTIONS and "api" in self.homes else self.phase
        return phase, self.rank, self.shown

    @property
    def is_schema(self) -> bool:
        """Whether it holds grants of a schema."""
        return self.path.stem == SCHEMA_FILE

    @property
    def api_grants(self) -> list[Statement]:
        """Return the statements of a policy file that speak of objects in `api`, which a rebuild must repeat."""
        return [statement for statement in self.statements if "api" in _grant_schemas(statement)]

    def check(self) -> None:
        """Parse the file; raises Refused for anything that may not stand in it."""
        if self.phase == REFERENCE:
            return
        if self.phase != POLICY:
            assert self.makes is not None
            return
        for statement in self.statements:
            for schema, name in _relations(statement):
                if (schema, name) != (self.domain, self.path.stem) and schema != "api":
                    raise _refuse(statement, f"{schema}.{name} is not the table of this file")
            if self.is_schema and isinstance(statement.node, ast.GrantStmt) and _relations(statement):
                raise _refuse(statement, f"{SCHEMA_FILE}.sql holds grants on the schema only")


_COMMON = (ast.GrantStmt, ast.CommentStmt)
_MAKING = (ast.CreateFunctionStmt, ast.CreateTrigStmt, ast.ViewStmt, ast.CreateDomainStmt, ast.CompositeTypeStmt)
_ALLOWED: dict[int, tuple[type, ...]] = {
    FUNCTIONS: (*_COMMON, ast.CreateFunctionStmt, ast.CreateTrigStmt, ast.DefineStmt, ast.CreateDomainStmt,
                ast.CompositeTypeStmt),
    API: (*_COMMON, *_MAKING),
    ANALYTICS: (*_COMMON, *_MAKING, ast.CreateTableAsStmt, ast.IndexStmt),
    POLICY: (*_COMMON, ast.CreatePolicyStmt, ast.AlterTableStmt),
}  # fmt: skip
_PLACES = {FUNCTIONS: "functions/", API: "sql/api/", ANALYTICS: "sql/analytics/", POLICY: "policies/"}


def _refuse(statement: Statement, message: str) -> Refused:
    return Refused(f"{statement.path} line {statement.line}: {message}\n{statement.head(2)}")


def _qualified(statement: Statement, names: tuple[Any, ...] | None) -> tuple[str, str]:
    """Return (schema, name) of a list of name parts."""
    parts = [name.sval for name in names or ()]
    if len(parts) != 2:
        raise _refuse(statement, f"write {'.'.join(parts)} with its schema")
    return parts[0], parts[1]


def _relation(statement: Statement, relation: Any) -> tuple[str, str]:
    if not relation.schemaname:
        raise _refuse(statement, f"write {relation.relname} with its schema")
    return relation.schemaname, relation.relname


def _type(statement: Statement, kind: Any) -> str:
    """Return a type name that regprocedure input understands."""
    if kind.pct_type:
        raise _refuse(statement, "write the type itself instead of %type")
    name = ".".join('"' + part.sval.replace('"', '""') + '"' for part in kind.names)
    return name + "[]" * (1 if kind.arrayBounds else 0)


def _made(statement: Statement) -> Iterator[Made]:
    node = statement.node
    if isinstance(node, ast.CreateFunctionStmt):
        arguments = [p for p in node.parameters or () if p.mode.value in {"d", "i", "b", "v"}]
        kinds = tuple(_type(statement, p.argType) for p in arguments)
        yield Made("function", *_qualified(statement, node.funcname), arguments=kinds)
    elif isinstance(node, ast.DefineStmt):
        if node.kind != enums.ObjectType.OBJECT_AGGREGATE or node.oldstyle:
            raise _refuse(statement, "only aggregates may be made so here")
        arguments = [p for p in ((node.args or ((),))[0] or ()) if p.mode.value in {"d", "i", "b", "v"}]
        kinds = tuple(_type(statement, p.argType) for p in arguments)
        yield Made("function", *_qualified(statement, node.defnames), arguments=kinds)
    elif isinstance(node, ast.CreateTrigStmt):
        table = _relation(statement, node.relation)
        yield Made("trigger", table[0], node.trigname or "", table=table)
    elif isinstance(node, ast.ViewStmt):
        yield Made("view", *_relation(statement, node.view))
    elif isinstance(node, ast.CreateTableAsStmt):
        if node.objtype != enums.ObjectType.OBJECT_MATVIEW:
            raise _refuse(statement, "a table is made by a migration")
        yield Made("view", *_relation(statement, node.into.rel if node.into else None))
    elif isinstance(node, ast.CreateDomainStmt):
        yield Made("type", *_qualified(statement, node.domainname))
    elif isinstance(node, ast.CompositeTypeStmt):
        yield Made("type", *_relation(statement, node.typevar))


def _relations(statement: Statement) -> list[tuple[str, str]]:
    """Return the relations that a policy file's statement speaks of."""
    node = statement.node
    if isinstance(node, ast.CreatePolicyStmt):
        return [_relation(statement, node.table)]
    if isinstance(node, ast.AlterTableStmt):
        row_security = {
            enums.AlterTableType.AT_EnableRowSecurity,
            enums.AlterTableType.AT_DisableRowSecurity,
            enums.AlterTableType.AT_ForceRowSecurity,
            enums.AlterTableType.AT_NoForceRowSecurity,
        }
        if any(command.subtype not in row_security for command in node.cmds or ()):
            raise _refuse(statement, "only row level security may be altered in policies/")
        return [_relation(statement, node.relation)]
    if isinstance(node, ast.GrantStmt) and node.objtype == enums.ObjectType.OBJECT_TABLE:
        if node.targtype != enums.GrantTargetType.ACL_TARGET_OBJECT:
            raise _refuse(statement, "name the table: a grant on all tables would reach partitions")
        return [_relation(statement, relation) for relation in node.objects or ()]
    return []


def _grant_schemas(statement: Statement) -> set[str]:
    """Return the schemas of the objects of a GRANT."""
    node = statement.node
    if not isinstance(node, ast.GrantStmt):
        return set()
    found = set()
    for item in node.objects or ():
        if isinstance(item, ast.RangeVar):
            found.add(item.schemaname or "")
        elif isinstance(item, ast.ObjectWithArgs):
            found.add((item.objname or (ast.String(""),))[0].sval)
        elif isinstance(item, ast.String) and node.objtype != enums.ObjectType.OBJECT_SCHEMA:
            found.add(item.sval or "")
    return found


def find(root: Path = settings.ROOT, domains: list[str] | None = None) -> list[RepeatableFile]:
    """Return all repeatable files of a tree, reference data included, unordered within functions until parsed."""
    names = settings.DOMAINS if domains is None else domains
    found: list[RepeatableFile] = []

    def add(path: Path, phase: int, domain: str) -> None:
        rank = -1 if path.stem == SCHEMA_FILE else names.index(domain) if domain in names else len(names)
        shown = sqlfile.name_of(path, root)
        found.append(RepeatableFile(path, shown, sqlfile.digest(path), phase, domain, rank, root))

    for folder, phase in (("functions", FUNCTIONS), ("policies", POLICY)):
        for path in sorted((root / folder).rglob("*.sql")):
            domain = sqlfile.name_of(path, root / folder).partition("/")[0]
            if domain not in names:
                raise Refused(f"{sqlfile.name_of(path, root)}: no such domain: {domain}", f"one of {', '.join(names)}")
            add(path, phase, domain)
    for folder, phase in (("sql/api", API), ("sql/analytics", ANALYTICS)):
        for path in sorted((root / folder).glob("*.sql")):
            add(path, phase, path.stem)
    for path in sorted((root / "sql/reference").glob("*/*.csv")):
        add(path, REFERENCE, path.parent.name)
    return found
