"""Functions name tables and types with their schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Function, Source

_TYPES_TEXT = """
    anyarray anycompatible anyelement anynonarray bigint bit bool boolean box bpchar bytea char character cid
    cidr circle date daterange datemultirange event_trigger float4 float8 inet int int2 int4 int8 int4range
    int8range integer internal interval json jsonb jsonpath line lseg macaddr money name numeric numrange oid
    oidvector path pg_lsn pg_snapshot point polygon real record refcursor regclass regconfig regnamespace
    regoper regproc regprocedure regrole regtype smallint text tid time timestamp timestamptz timetz trigger
    tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar void xid xid8 xml decimal
    double dec nchar
"""
_TYPES = frozenset(_TYPES_TEXT.split())
_DECLARED = re.compile(
    r"^\s*(?P<name>[a-z_][a-z0-9_]*)\s+(?:constant\s+)?(?P<type>[a-z_][a-z0-9_]*)(?=[\s;%\[(])", re.IGNORECASE
)


class NamesQualified(Rule):
    """a function names tables and types with their schema

    Nothing but pg_catalog is certain to be in the search path, and a caller's temporary table or type shadows
    an unqualified name: in a SECURITY DEFINER function that is a way to run as owner. Free are names that
    the statement itself makes (with, transition tables).
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "write schema.name"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at relations in the queries of bodies, and at types there and in declarations."""
        for function in source.functions:
            transition = self._transition_tables(source) if function.is_trigger else set()
            for query in function.queries:
                nodes = query.nodes
                local = {node.ctename for node in nodes if isinstance(node, ast.CommonTableExpr)} | transition
                clauses = [node for node in nodes if isinstance(node, ast.LockingClause)]
                locked = {id(item) for clause in clauses for item in clause.lockedRels or ()}
                for node in nodes:
                    if id(node) in locked:
                        continue
                    name = _unqualified(node)
                    if name and name not in local:
                        line = function.line_in(query, getattr(node, "location", None))
                        yield Problem(line, f"names {name} without its schema", function.shown)
            yield from self._declarations(function)

    def _transition_tables(self, source: Source) -> set[str]:
        """Return the names of transition tables; triggers of other files use our function too, so ours are known."""
        found = {"old_rows", "new_rows"}
        for node, _, _ in source.spans:
            if isinstance(node, ast.CreateTrigStmt):
                found |= {item.name for item in node.transitionRels or ()}
        return found

    def _declarations(self, function: Function) -> Iterator[Problem]:
        if function.language != "plpgsql":
            return
        names = dict(function.declared)
        for number, row in enumerate(function.body.splitlines(), start=function.body_line):
            match = _DECLARED.match(row)
            if match and names.get(match["name"]) == number and match["type"].lower() not in _TYPES:
                yield Problem(number, f"declares {match['name']} with the type {match['type']}", function.shown)


def _unqualified(node: Any) -> str | None:
    if isinstance(node, ast.RangeVar) and not node.schemaname:
        name = str(node.relname)
        return None if name.startswith("pg_") else name
    if isinstance(node, ast.TypeName) and node.names and len(node.names) == 1:
        name = str(node.names[0].sval)
        return None if name.lower() in _TYPES or name.startswith("reg") else f"the type {name}"
    return None
