"""The hot queries and their plans: `sql/hot/<domain>/<name>.sql` holds one query each, planned before and after.

Its first line says what it is for. `-- role: member` (the default) names the role that asks, `-- sub:` and `-- org:`
need not be said: plans under row-level security do not depend on which organisation asks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate import sqlfile
from erpgres.migrate.files import read_header

FOLDER = Path("sql/hot")
# A plan that costs so many times more than before is a finding even if it uses the same indexes.
COSTLIER = 3.0
_SOMEBODY = "00000000-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Query:
    """A hot query: `name` is its path."""

    name: str
    about: str
    role: str
    text: str


@dataclass
class Plan:
    """What matters of a plan: cost, node types with the relation they read, indexes by the oid of their root."""

    cost: float = 0.0
    nodes: list[str] = field(default_factory=list)
    indexes: dict[int, str] = field(default_factory=dict)
    read_whole: set[str] = field(default_factory=set)
    error: str | None = None


@dataclass(frozen=True)
class Change:
    """A query whose plan changed: `rule` is the finding that it is, None for a mere note."""

    query: str
    message: str
    rule: str | None


def find(root: Path) -> list[Query]:
    """Return the hot queries of a tree. Raises Refused for a file that is not one query with a first line."""
    found = []
    for path in sorted((root / FOLDER).glob("*/*.sql")):
        statements = sqlfile.read(path, root)
        text = path.read_text(encoding="utf-8")
        first = text.partition("\n")[0]
        name = sqlfile.name_of(path, root)
        if len(statements) != 1 or not first.startswith("-- "):
            raise Refused(f"{name}: one query is wanted, after a first line that says what it is for")
        role = read_header(text).get("role", "member")
        found.append(Query(name, first.removeprefix("-- ").strip(), role, str(statements[0])))
    return found


def plans(dsn: str, queries: list[Query]) -> dict[str, Plan]:
    """Plan the queries in a database whose files and statistics are those of the live one; nothing is run."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set search_path = public")
        relations = {
            f"{schema}.{name}": (root, shown)
            for schema, name, root, shown in connection.execute(
                "select n.nspname, c.relname, coalesce(pg_partition_root(c.oid)::oid, c.oid),"
                " coalesce(pg_partition_root(c.oid), c.oid::regclass)::text"
                " from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                " where c.relkind in ('r', 'p', 'i', 'I', 'm')"
            )
        }
        for query in queries:
            with connection.transaction(force_rollback=True):
                try:
                    claims = {"org_id": _SOMEBODY, "sub": _SOMEBODY, "role": query.role}
                    connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
                    connection.execute("select set_config('erpgres.org_id', %s, true)", [_SOMEBODY])
                    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(query.role)))
                    row = connection.execute("explain (verbose, format json) " + query.text).fetchone()
                    assert row is not None
                    found[query.name] = _reduce(row[0][0]["Plan"], relations)
                except psycopg.Error as error:
                    found[query.name] = Plan(error=str(error).splitlines()[0])
    return found


def _reduce(node: dict[str, Any], relations: dict[str, tuple[int, str]]) -> Plan:
    plan = Plan(cost=float(node["Total Cost"]))
    _walk(node, relations, plan)
    return plan


def _walk(node: dict[str, Any], relations: dict[str, tuple[int, str]], plan: Plan) -> None:
    kind, schema = node["Node Type"], node.get("Schema", "")
    relation = ""
    if "Relation Name" in node:
        relation = relations.get(f"{schema}.{node['Relation Name']}", (0, node["Relation Name"]))[1]
        if kind == "Seq Scan":
            plan.read_whole.add(relation)
    index = ""
    if "Index Name" in node:
        wanted = f".{node['Index Name']}"
        found = [value for key, value in relations.items() if key.endswith(wanted)]
        oid, index = next(iter(found), (0, node["Index Name"]))
        plan.indexes[oid] = index
    words = " ".join(filter(None, [kind, f"using {index}" if index else "", f"on {relation}" if relation else ""]))
    if words not in plan.nodes:  # one for all partitions
        plan.nodes.append(words)
    for child in node.get("Plans", ()):
        _walk(child, relations, plan)


def difference(queries: list[Query], before: dict[str, Plan], after: dict[str, Plan]) -> list[Change]:
    """Return the queries whose plan changed, and how."""
    found = []
    for query in queries:
        was, now = before[query.name], after[query.name]
        if now.error is not None:
            if was.error is None:
                found.append(Change(query.name, f"cannot run any more: {now.error}", "plan.breaking_api"))
            continue
        if was.error is not None:
            continue
        lost = [was.indexes[oid] for oid in was.indexes.keys() - now.indexes.keys()]
        whole = now.read_whole - was.read_whole
        ratio = now.cost / max(was.cost, 0.01)
        cost = f"cost {was.cost:,.0f} before, {now.cost:,.0f} after"
        if whole and lost:
            message = f"reads {', '.join(sorted(whole))} from end to end, without {', '.join(sorted(lost))}; {cost}"
            found.append(Change(query.name, message, "plan.lost_index"))
        elif lost and ratio > COSTLIER:
            found.append(Change(query.name, f"does without {', '.join(sorted(lost))}; {cost}", "plan.lost_index"))
        elif ratio > COSTLIER:
            found.append(Change(query.name, cost, "plan.costlier_query"))
        elif was.nodes != now.nodes:
            new = [words for words in now.nodes if words not in was.nodes]
            gone = [words for words in was.nodes if words not in now.nodes]
            if new or gone:
                message = f"now {'; '.join(new) or 'nothing more'}; no more {'; '.join(gone) or 'nothing'}; {cost}"
                found.append(Change(query.name, message, None))
    return found
