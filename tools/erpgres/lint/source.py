"""SQL files as rules see them: statements, functions and the queries inside their bodies, each with its line."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import pglast
from pglast import ast

from erpgres.migrate import sqlfile

MIGRATION, FUNCTION, API, ANALYTICS, POLICY, CLUSTER, INVARIANT, CATALOG = (
    "migration", "function", "api", "analytics", "policy", "cluster", "invariant", "catalog",
)  # fmt: skip
# The first folder that fits says what a file is.
_FOLDERS = (
    ("migrations/", MIGRATION), ("functions/", FUNCTION), ("policies/", POLICY), ("sql/api/", API),
    ("sql/analytics/", ANALYTICS), ("sql/cluster/", CLUSTER), ("sql/invariants/", INVARIANT), ("sql/lint/", CATALOG),
)  # fmt: skip
FOLDERS = tuple(folder for folder, _ in _FOLDERS)
_QUALIFIED_TYPE = re.compile(
    r"(?P<head>\b[a-z_][a-z0-9_]*\s+(?:constant\s+)?)(?P<type>[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)"
    r"(?P<kind>%rowtype|%type)?(?P<many>\s*\[\s*\])?(?=\s*(?:;|:=|=|default\b|not\s+null))",
    re.IGNORECASE,
)
_DECLARE = re.compile(r"\bdeclare\b.*?\bbegin\b", re.IGNORECASE | re.DOTALL)


def kind_of(shown: str) -> str | None:
    """Return the kind of a file by its path in the checkout, or None when it is none of ours."""
    return next((kind for folder, kind in _FOLDERS if shown.startswith(folder)), None)


_branches_of: dict[Any, tuple[str, ...]] = {}


def _branches(kind: Any) -> tuple[str, ...]:
    """Return the attributes of a kind of node that may hold nodes, the last first."""
    if kind in _branches_of:
        return _branches_of[kind]
    plain = {str, bool, int, float, bytes}
    found = []
    for name, slot in reversed(kind.__slots__.items()):
        kinds = slot[1] if isinstance(slot[1], tuple) else (slot[1],)
        if not all(one in plain or (isinstance(one, type) and issubclass(one, Enum)) for one in kinds):
            found.append(name)
    _branches_of[kind] = tuple(found)
    return _branches_of[kind]


def walk(node: Any) -> Iterator[Any]:
    """Yield a parse tree's nodes, the root first."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (list, tuple)):
            waiting.extend(reversed(item))
        elif isinstance(item, ast.Node):
            yield item
            for name in _branches(type(item)):
                value = getattr(item, name)
                if value is not None:
                    waiting.append(value)


@dataclass(frozen=True)
class Query:
    """A statement or expression in a function's body. `line` is that of its first character in the file."""

    node: Any
    text: str
    line: int
    is_global: bool = False  # its locations count from the start of the file
    is_plpgsql: bool = False

    @cached_property
    def nodes(self) -> list[Any]:
        """All its nodes, as `walk` gives them: many rules look at them."""
        return list(walk(self.node))


@dataclass
class Step:
    """A PL/pgSQL statement (`PLpgSQL_stmt_raise`, …) with the fields of its parse tree."""

    kind: str
    line: int
    data: dict[str, Any]


@dataclass
class Function:
    """A function that a file makes."""

    source: Source = field(repr=False)
    node: Any
    schema: str
    name: str
    line: int
    start: int
    end: int

    @cached_property
    def options(self) -> dict[str, Any]:
        """Its clauses by name (volatility, parallel, security, language, as, set is left out)."""
        return {option.defname: option.arg for option in self.node.options or () if option.defname != "set"}

    @cached_property
    def settings(self) -> dict[str, list[str]]:
        """Its SET clauses: name and values."""
        found = {}
        for option in self.node.options or ():
            if option.defname == "set":
                values = [getattr(arg.val, "sval", str(getattr(arg.val, "ival", ""))) for arg in option.arg.args or ()]
                found[option.arg.name] = values
        return found

    @property
    def shown(self) -> str:
        """Its qualified name."""
        return f"{self.schema}.{self.name}"

    @property
    def language(self) -> str:
        """Its language; a function with a body of the SQL standard has sql."""
        return str(self.options["language"].sval) if "language" in self.options else "sql"

    @property
    def is_definer(self) -> bool:
        """Whether it runs with its owner's rights."""
        option = self.options.get("security")
        return bool(option is not None and getattr(option, "boolval", False))

    @property
    def volatility(self) -> str | None:
        """Its stated volatility, or None."""
        option = self.options.get("volatility")
        return None if option is None else str(option.sval)

    @property
    def parameters(self) -> list[str]:
        """Names of its parameters, those of its result table left out."""
        return [p.name for p in self.node.parameters or () if p.name and p.mode.value != "t"]

    @property
    def columns(self) -> list[str]:
        """Names of its result table's columns and OUT parameters."""
        return [p.name for p in self.node.parameters or () if p.name and p.mode.value in "tob"]

    @property
    def text(self) -> str:
        """Its whole statement."""
        return self.source.text[self.start : self.end]

    @cached_property
    def body(self) -> str:
        """Its body as text; empty with a body of the SQL standard."""
        parts = self.options.get("as")
        return str(parts[0].sval) if parts else ""

    @cached_property
    def body_line(self) -> int:
        """The line of the file on which the body begins."""
        position = self.source.text.find(self.body, self.start) if self.body else -1
        return self.source.line(position) if position >= 0 else self.line

    @cached_property
    def plpgsql(self) -> dict[str, Any]:
        """The parse tree of a PL/pgSQL body. Raises pglast.parser.ParseError.

        The parser knows no types of ours, so in declarations it is shown `record` for them.
        """
        body = _DECLARE.sub(lambda m: _QUALIFIED_TYPE.sub(_plain_type, m[0]), _blank_comments(self.body))
        kinds = {p.name: _kind(p.argType) for p in self.node.parameters or () if p.name}
        given = [f'"{name}" {kinds[name]}' for name in self.parameters if name not in self.columns]
        made = [f'out "{name}" {kinds[name]}' for name in self.columns]
        if self.is_trigger:
            given, result = [], "returns trigger"
        elif made:
            one = kinds[self.columns[0]] if len(made) == 1 else "record"
            result = f"returns setof {one}" if self.is_set else ""
        elif self.is_set:
            result = "returns setof record"
        else:
            result = "returns void" if self.is_void else "returns text"
        arguments = ", ".join([*given, *made])
        head = f"create function {self.name}({arguments}) {result} language plpgsql"
        text = f"{head} as $erpgres_lint${body}$erpgres_lint$"
        tree: dict[str, Any] = pglast.parse_plpgsql(text)[0]["PLpgSQL_function"]
        return tree

    @property
    def is_trigger(self) -> bool:
        """Whether it is a trigger's."""
        kind = self.node.returnType
        return kind is not None and kind.names[-1].sval in ("trigger", "event_trigger")

    @property
    def is_set(self) -> bool:
        """Whether it returns rows."""
        return bool(self.node.returnType is not None and self.node.returnType.setof)

    @property
    def is_void(self) -> bool:
        """Whether it returns nothing."""
        kind = self.node.returnType
        return kind is None or kind.names[-1].sval == "void"

    @cached_property
    def steps(self) -> list[Step]:
        """The statements of a PL/pgSQL body, those within others too; empty when it cannot be parsed."""
        if self.language != "plpgsql":
            return []
        try:
            tree = self.plpgsql
        except pglast.parser.ParseError:
            return []
        found: list[Step] = []

        def visit(item: Any, line: int) -> None:
            if isinstance(item, list):
                for part in item:
                    visit(part, line)
            elif isinstance(item, dict):
                for key, value in item.items():
                    if isinstance(value, dict) and key.startswith("PLpgSQL_"):
                        at = value.get("lineno", line)
                        found.append(Step(key, self.body_line + at - 1, value))
                        visit(value, at)
                    else:
                        visit(value, line)

        visit(tree.get("action", {}), 1)
        return found

    @cached_property
    def declared(self) -> list[tuple[str, int]]:
        """The variables that a PL/pgSQL body declares, with their lines."""
        if self.language != "plpgsql":
            return []
        try:
            tree = self.plpgsql
        except pglast.parser.ParseError:
            return []
        found = []
        for datum in tree.get("datums", ()):
            for kind, value in datum.items():
                if kind not in ("PLpgSQL_var", "PLpgSQL_rec") or "lineno" not in value:
                    continue
                if not value["refname"].startswith(("(", "__", "sqlstate", "sqlerrm")):
                    found.append((value["refname"], self.body_line + value["lineno"] - 1))
        return found

    @cached_property
    def queries(self) -> list[Query]:
        """The SQL of the body: its statements, and in PL/pgSQL the expressions too. What does not parse is left out."""
        if self.node.sql_body is not None:
            return [Query(self.node.sql_body, self.text, self.line, is_global=True)]
        if self.language == "sql":
            try:
                raw = pglast.parse_sql(self.body)
            except pglast.parser.ParseError:
                return []
            return [Query(item.stmt, self.body, self.body_line) for item in raw]
        found = []
        for step in self.steps:
            if step.kind != "PLpgSQL_expr":
                continue
            text, mode = step.data["query"], step.data.get("parseMode", 0)
            if mode in (3, 4, 5):
                _, _, text = text.partition("=")
            try:
                raw = pglast.parse_sql(text if mode == 0 else f"select {text}")
            except pglast.parser.ParseError:
                continue
            found += [Query(item.stmt, text, step.line, is_plpgsql=True) for item in raw]
        return found

    def line_in(self, query: Query, location: int | None) -> int:
        """Return the file's line of a location in one of the queries."""
        if location is None or location < 0:
            return query.line
        return self.source.line(location) if query.is_global else query.line + query.text.count("\n", 0, location)


def _plain_type(match: re.Match[str]) -> str:
    """Return a declaration with a type that PL/pgSQL's parser knows without a catalog."""
    plain = match["type"].lower().startswith("public.") or match["many"] or (match["kind"] or "").lower() == "%type"
    return match["head"] + ("text" if plain else "record")


def _kind(kind: Any) -> str:
    """Return the stand-in for a parameter's type: record for one of ours, whose fields are named, else text."""
    ours = len(kind.names) > 1 and kind.names[0].sval not in ("pg_catalog", "public") and not kind.arrayBounds
    return "record" if ours or kind.names[-1].sval == "record" else "text"


def _blank_comments(text: str) -> str:
    """Replace `--` comments by nothing but keep the lines; quoted strings stay as they are."""
    parts = re.split(r"('(?:[^']|'')*'|--[^\n]*)", text)
    return "".join("" if part.startswith("--") else part for part in parts)


@dataclass
class Source:
    """One SQL file. `shown` is its path in the checkout, `text` what it holds."""

    shown: str
    text: str
    kind: str
    released: bool = False
    statements: list[sqlfile.Statement] = field(default_factory=list, repr=False)
    # functions that the tree's migrations make, by qualified name: such a one is changed by a migration too
    migrated: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def of(cls, shown: str, text: str, *, kind: str | None = None, released: bool = False) -> Source:
        """Parse a file. Raises Refused with file and line when it is not SQL."""
        return cls(shown, text, kind or kind_of(shown) or MIGRATION, released, sqlfile.parse(text, shown))

    @property
    def domain(self) -> str:
        """The domain its path names."""
        parts = Path(self.shown).parts
        if self.kind == MIGRATION:
            return Path(self.shown).name.partition("__")[2].partition("_")[0]
        if self.kind in (API, ANALYTICS):
            return Path(self.shown).stem.partition("_")[0]
        return parts[-2] if len(parts) > 1 else ""

    @property
    def stem(self) -> str:
        """The file's name without `.sql`."""
        return Path(self.shown).stem

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line(self, position: int | None) -> int:
        """Return the line of a position in the text."""
        return bisect.bisect_right(self._starts, max(position or 0, 0))

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines."""
        return self.text.splitlines()

    @cached_property
    def spans(self) -> list[tuple[Any, int, int]]:
        """Each statement with its first and last line, comments before it not counted."""
        found = []
        position = 0
        for statement in self.statements:
            start = self.text.index(statement, position)
            position = start + len(statement)
            body = re.match(r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*", statement, re.DOTALL)
            first = start + (body.end() if body else 0)
            found.append((statement.node, self.line(first), self.line(position)))
        return found

    @cached_property
    def nodes(self) -> list[tuple[Any, int, list[Any]]]:
        """Each statement that makes no function with its first line and all its nodes."""
        return [
            (node, line, list(walk(node)))
            for node, line, _ in self.spans
            if not isinstance(node, ast.CreateFunctionStmt)
        ]

    @cached_property
    def functions(self) -> list[Function]:
        """The functions it makes."""
        found = []
        position = 0
        for statement, (node, line, _) in zip(self.statements, self.spans, strict=True):
            start = self.text.index(statement, position)
            position = start + len(statement)
            if isinstance(node, ast.CreateFunctionStmt):
                parts = [part.sval for part in node.funcname]
                schema, name = (parts[0], parts[1]) if len(parts) == 2 else ("", parts[-1])
                found.append(Function(self, node, schema, name, line, start, position))
        return found

    def comments_before(self, line: int) -> str:
        """Return the comment lines that stand directly above a line."""
        rows = []
        for row in reversed(self.lines[: line - 1]):
            if not row.strip().startswith("--"):
                break
            rows.append(row.strip())
        return "\n".join(reversed(rows))


@dataclass
class Tree:
    """All SQL files of a checkout that are linted."""

    root: Path
    sources: list[Source]
    domains: list[str]

    def of_kind(self, *kinds: str) -> list[Source]:
        """Return the files of some kinds."""
        return [source for source in self.sources if source.kind in kinds]
