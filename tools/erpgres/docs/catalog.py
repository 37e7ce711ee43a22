"""Reading the model from the catalog of a migrated database, and from the files that made it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pglast
import psycopg
from pglast import ast
from psycopg.rows import dict_row

from erpgres import access, database, settings
from erpgres.docs.model import (
    API_ROLES,
    COMMANDS,
    Column,
    ErrorCode,
    ForeignKey,
    Function,
    Model,
    Parameter,
    Policy,
    Relation,
    Template,
    Transition,
)

Connection = psycopg.Connection[dict[str, Any]]

SHOWN = ("api", "analytics")
_MADE = re.compile(r"^\s*create (?:or replace )?(?:materialized )?(?:view|function|type) (\w+\.\w+)", re.M | re.I)
_LOOKED = re.compile(r"has_permission\('[^']+'")
_LITERAL = re.compile(r"'([a-z_]+(?:\.[a-z0-9_]+)+)'")
_NAMED = re.compile(r"\b[a-z_]+(?:\.[a-z0-9_]+)+\b")
_OWN_FAULT = "core.unknown_error"  # reached by all that raise an error, raised by none
_VALUES = re.compile(r"^CHECK \(\((\w+) = ANY \(ARRAY\[(.*)\]\)\)\)$")
_VALUE = re.compile(r"'((?:[^']|'')*)'::text")

_RELATIONS = """
select
  c.oid, n.nspname || '.' || c.relname as name, n.nspname as schema, c.relkind::text as kind,
  coalesce(obj_description(c.oid, 'pg_class'), obj_description(t.oid, 'pg_type'), '') as comment,
  case when c.relkind = 'p' then pg_get_partkeydef(c.oid) else '' end as partitioned_by,
  case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as definition
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_type as t on t.typrelid = c.oid and c.relkind = 'c'
where n.nspname = any (%(schemas)s) and c.relkind in ('r', 'p', 'v', 'm', 'c') and not c.relispartition
order by 2
"""

_COLUMNS = """
select
  a.attrelid as oid, a.attname as name,
  format_type(case when t.typtype = 'd' then t.typbasetype else a.atttypid end, a.atttypmod) as type,
  not a.attnotnull as nullable,
  case when a.attidentity <> '' then 'identity'
    when a.attgenerated <> '' then 'generated: ' || pg_get_expr(d.adbin, d.adrelid)
    else pg_get_expr(d.adbin, d.adrelid) end as expression,
  coalesce(col_description(a.attrelid, a.attnum), '') as comment
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_type as t on t.oid = a.atttypid
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where n.nspname = any (%(schemas)s) and c.relkind in ('r', 'p', 'v', 'm', 'c') and not c.relispartition
  and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

_CONSTRAINTS = """
select
  k.conrelid as oid, k.conname as name, k.contype::text as kind, pg_get_constraintdef(k.oid) as definition,
  array(select a.attname::text from unnest(k.conkey) with ordinality as u (n, i)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.n order by u.i) as columns,
  fn.nspname || '.' || f.relname as target,
  array(select a.attname::text from unnest(k.confkey) with ordinality as u (n, i)
        join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.n order by u.i) as target_columns
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
left join pg_class as f on f.oid = k.confrelid
left join pg_namespace as fn on fn.oid = f.relnamespace
where n.nspname = any (%(schemas)s) and not c.relispartition and k.conparentid = 0
  and (f.oid is null or not f.relispartition)
order by k.conrelid, k.conname
"""

_INDEXES = """
select i.indrelid as oid, pg_get_indexdef(i.indexrelid) as definition, i.indisunique as is_unique,
  i.indpred is null and i.indexprs is null as is_plain,
  array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as u (n, o)
        join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = u.n order by u.o) as columns
from pg_index as i
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and not c.relispartition
  and not exists (select from pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
order by i.indrelid, 2
"""

_GRANTS = """
select g.oid, g.role, lower(g.command) as command,
  case when bool_or(g.attname is null) then null else array_agg(g.attname) end as columns
from (
  select c.oid, r.rolname::text as role, x.privilege_type as command, null::text as attname
  from pg_class as c cross join aclexplode(c.relacl) as x join pg_roles as r on r.oid = x.grantee
  union all
  select c.oid, r.rolname::text, x.privilege_type, a.attname::text
  from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attacl is not null
  cross join aclexplode(a.attacl) as x join pg_roles as r on r.oid = x.grantee
) as g
join pg_class as c on c.oid = g.oid
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s) and not c.relispartition
group by 1, 2, 3
order by 1, 2, 3
"""

_POLICIES = """
select p.polrelid as oid, r.rolname::text as role, p.polcmd::text as command,
  pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check
from pg_policy as p
cross join unnest(p.polroles) as o (oid)
join pg_roles as r on r.oid = o.oid
join pg_class as c on c.oid = p.polrelid
where not c.relispartition
order by 1, r.rolname, p.polname
"""

_DEPENDENCIES = """
select distinct w.ev_class as oid, n.nspname || '.' || c.relname as name
from pg_rewrite as w
join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
join pg_class as c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
join pg_namespace as n on n.oid = c.relnamespace
where c.oid <> w.ev_class and c.relkind in ('r', 'p') and n.nspname = any (%(schemas)s)
order by 1, 2
"""

_FUNCTIONS = """
select
  p.oid, n.nspname as schema, n.nspname || '.' || p.proname as name,
  coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
  case p.provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end as volatility,
  p.proretset as returns_set,
  format_type(case when t.typtype = 'd' then t.typbasetype else t.oid end, null) as result,
  p.pronargs as inputs, p.pronargdefaults as defaults,
  coalesce(p.proargnames, '{}') as names, coalesce(p.proargmodes::text[], '{}') as modes,
  array(select format_type(case when b.typtype = 'd' then b.typbasetype else b.oid end, null)
        from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as u (o, i)
        join pg_type as b on b.oid = u.o order by u.i) as types,
  array(select pg_get_function_arg_default(p.oid, i) from generate_series(1, p.pronargs) as i) as expressions,
  coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) as source,
  array(select r.rolname::text from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
        left join pg_roles as r on r.oid = x.grantee where x.privilege_type = 'EXECUTE') as roles
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
join pg_type as t on t.oid = p.prorettype
where n.nspname = any (%(schemas)s) and p.prokind <> 'a'
order by 3
"""


def read(dsn: str, root: Path = settings.ROOT) -> Model:
    """Read the model of the database that `dsn` (migrator's) names; `root` is the checkout that it was migrated from.

    Raises CannotRun when the database does not answer.
    """
    with database.connect(dsn, row_factory=dict_row) as connection:
        connection.read_only = True
        connection.execute("set local search_path = pg_catalog")
        return _Reader(connection, root).model()


class _Reader:
    def __init__(self, connection: Connection, root: Path) -> None:
        self.connection = connection
        self.domain_of = domains_of_files(root)
        self.values = {"schemas": [*settings.DOMAINS, *SHOWN]}

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self.connection.execute(query, self.values).fetchall()

    def model(self) -> Model:
        permissions = {row["code"]: row["description"] for row in self.rows("table core.permission order by code")}
        errors = [
            ErrorCode(row["code"], row["status"], row["message"], row["hint"] or "")
            for row in self.rows("select code, status, message, hint from core.error order by code")
        ]
        relations = self.relations()
        return Model(
            domains=[*settings.DOMAINS],
            tables=[one for one in relations if one.kind == "table"],
            views=[one for one in relations if one.kind == "view"],
            types=[one for one in relations if one.kind == "type"],
            functions=self.functions(set(permissions), {error.code for error in errors}),
            permissions=dict(sorted(permissions.items())),
            templates=self.templates(),
            errors=sorted(errors, key=lambda error: error.code),
            transitions=[
                Transition(**row)
                for row in self.rows(
                    "select entity, from_status, to_status, action, permission, needs_reason, other_than,"
                    " needs_signature from core.transition"
                    ' order by entity collate "C", from_status <> \'NEW\', from_status collate "C",'
                    ' to_status collate "C"'
                )
            ],
        )

    def templates(self) -> list[Template]:
        held: dict[str, set[str]] = defaultdict(set)
        for row in self.rows("select role, permission from core.role_template_permission"):
            held[row["role"]].add(row["permission"])
        found = [
            Template(**row, permissions=frozenset(held[row["code"]]))
            for row in self.rows(
                "select code, domain, name, description, user_kind, is_administrator from core.role_template"
            )
        ]
        return sorted(found, key=lambda one: (settings.DOMAINS.index(one.domain), one.code))

    # ---- tables and views ------------------------------------------------------------------------------------------

    def relations(self) -> list[Relation]:
        rows = self.rows(_RELATIONS)
        kinds = {"r": "table", "p": "table", "v": "view", "m": "view", "c": "type"}
        by_oid = {
            row["oid"]: Relation(
                row["name"], kinds[row["kind"]], self.domain(row["schema"], row["name"]), row["comment"],
                partitioned_by=row["partitioned_by"],
            )
            for row in rows
        }  # fmt: skip
        for row in self.rows(_COLUMNS):
            by_oid[row["oid"]].columns.append(
                Column(row["name"], row["type"], row["nullable"], row["expression"], row["comment"])
            )
        self.constraints(by_oid)
        for row in self.rows(_GRANTS):
            if row["oid"] in by_oid and row["command"] in COMMANDS:
                columns = None if row["columns"] is None else set(row["columns"])
                by_oid[row["oid"]].grants.setdefault(row["command"], {})[row["role"]] = columns
        for row in self.rows(_POLICIES):
            if row["oid"] in by_oid:
                told = f"{row['using'] or ''} {row['check'] or ''}"
                asked = tuple(sorted(set(re.findall(r"has_permission\('([^']+)'::text", told))))
                words = access.describe(row["using"], row["check"])
                by_oid[row["oid"]].policies.append(Policy(row["role"], access.COMMANDS[row["command"]], asked, words))
        tables = {one.name: one for one in by_oid.values()}
        under: dict[int, list[str]] = defaultdict(list)
        for row in self.rows(_DEPENDENCIES):
            under[row["oid"]].append(row["name"])
        for row in rows:
            if row["definition"]:
                view = by_oid[row["oid"]]
                view.tables = tuple(under[row["oid"]])
                sources(view, row["definition"], tables)
        return sorted(by_oid.values(), key=lambda one: one.name)

    def constraints(self, by_oid: dict[int, Relation]) -> None:
        for row in self.rows(_CONSTRAINTS):
            table = by_oid[row["oid"]]
            columns = tuple(row["columns"])
            if row["kind"] == "p":
                table.primary_key = columns
            elif row["kind"] == "u":
                table.uniques.append(columns)
            elif row["kind"] == "c":
                table.checks.append((row["name"], _inner(row["definition"])))
                allowed = _VALUES.match(row["definition"])
                column = table.column(allowed[1]) if allowed else None
                if allowed and column:
                    column.values = tuple(value.replace("''", "'") for value in _VALUE.findall(allowed[2]))
            elif row["kind"] == "x":
                table.excludes.append((row["name"], row["definition"]))
            elif row["kind"] == "f":
                table.foreign_keys.append(
                    ForeignKey(row["name"], table.name, columns, row["target"], tuple(row["target_columns"]))
                )
        for row in self.rows(_INDEXES):
            table = by_oid[row["oid"]]
            if row["is_unique"] and row["is_plain"]:
                table.uniques.append(tuple(row["columns"]))
            definition = re.sub(r"^CREATE (UNIQUE )?INDEX (\S+) ON (ONLY )?\S+ USING ", r"\2: \1", row["definition"])
            table.indexes.append(definition)
        for table in by_oid.values():
            table.indexes.sort()

    # ---- functions -------------------------------------------------------------------------------------------------

    def functions(self, permissions: set[str], errors: set[str]) -> list[Function]:
        rows = self.rows(_FUNCTIONS)
        sources_by_name: dict[str, str] = defaultdict(str)
        for row in rows:
            sources_by_name[row["name"]] += f"\n{row['source']}"
        called = re.compile(r"\b((?:" + "|".join(self.values["schemas"]) + r")\.\w+)\s*\(")
        calls = {name: set(called.findall(text)) & sources_by_name.keys() for name, text in sources_by_name.items()}
        found = []
        for row in rows:
            if row["schema"] != "api":
                continue
            reached, waiting = set(), [row["name"]]
            while waiting:
                name = waiting.pop()
                if name not in reached:
                    reached.add(name)
                    waiting += calls[name]
            literals = {code for name in reached for code in _LITERAL.findall(sources_by_name[name])}
            literals |= set(_NAMED.findall(row["comment"]))  # what triggers refuse is told there only
            # A helper that looks whether somebody has a permission shows him more: that is none he needs to call it.
            asked = {
                code
                for name in reached
                for code in _LITERAL.findall(
                    sources_by_name[name] if name == row["name"] else _LOOKED.sub("", sources_by_name[name])
                )
            } | set(_NAMED.findall(row["comment"]))
            modes = row["modes"] or ["i"] * len(row["types"])
            named = list(zip(row["names"] or [""] * len(modes), row["types"], modes, strict=True))
            inputs = [(name, kind) for name, kind, mode in named if mode in ("i", "b", "v")]
            defaults = row["expressions"] or [None] * len(inputs)
            found.append(
                Function(
                    name=row["name"].split(".", 1)[1],
                    domain=self.domain(row["schema"], row["name"]),
                    comment=row["comment"],
                    parameters=[
                        Parameter(name, kind, default)
                        for (name, kind), default in zip(inputs, defaults, strict=True)
                    ],
                    result=row["result"],
                    returns_set=row["returns_set"],
                    result_columns=[Column(name, kind) for name, kind, mode in named if mode in ("t", "o", "b")],
                    volatility=row["volatility"],
                    roles=[role for role in API_ROLES if role in row["roles"] or None in row["roles"]],
                    permissions=sorted(asked & permissions),
                    errors=sorted((literals & errors) - {_OWN_FAULT}),
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: one.name)

    def domain(self, schema: str, name: str) -> str:
        if schema in settings.DOMAINS:
            return schema
        prefix = name.split(".", 1)[1].split("_", 1)[0]
        return self.domain_of.get(name) or (prefix if prefix in settings.DOMAINS else settings.DOMAINS[0])


def domains_of_files(root: Path = settings.ROOT) -> dict[str, str]:
    """Return for each view, function and type which domain's file makes it: `api.partners` to `core`."""
    found = {}
    for path in [*(root / "sql" / "api").glob("*.sql"), *(root / "sql" / "analytics").glob("*.sql"),
                 *(root / "functions").glob("*/*.sql")]:  # fmt: skip
        owner = path.parent.name if path.parent.parent.name == "functions" else re.split(r"[_.]", path.name)[0]
        if owner in settings.DOMAINS:
            found.update(dict.fromkeys(_MADE.findall(path.read_text(encoding="utf-8")), owner))
    return found


def sources(view: Relation, definition: str, tables: dict[str, Relation]) -> None:
    """Find for each column of a view the column of a table that it shows, and take over what is known of that one."""
    select = pglast.parse_sql(definition)[0].stmt
    if not isinstance(select, ast.SelectStmt) or select.op != 0 or select.fromClause is None:
        return
    aliases: dict[str, tuple[Relation, bool]] = {}
    for item in select.fromClause:
        _from(item, False, tables, aliases)
    for target, column in zip(select.targetList or (), view.columns, strict=False):
        if not isinstance(target.val, ast.ColumnRef):
            continue
        parts = [part.sval or "" for part in target.val.fields or () if isinstance(part, ast.String)]
        if len(parts) == 2 and parts[0] in aliases:
            relation, outer = aliases[parts[0]]
        elif len(parts) == 1 and len(aliases) == 1:
            relation, outer = next(iter(aliases.values()))
        else:
            continue
        origin = relation.column(parts[-1])
        if origin is not None:
            column.source = (relation.name, origin.name)
            column.values = origin.values
            column.nullable = origin.nullable or outer
            column.default = column.default or origin.default


def _from(item: Any, outer: bool, tables: dict[str, Relation], found: dict[str, tuple[Relation, bool]]) -> None:
    """Collect the tables of a FROM item by alias; `outer`: an outer join may leave them out."""
    if isinstance(item, ast.RangeVar):
        relation = tables.get(f"{item.schemaname}.{item.relname}")
        if relation is not None:
            found[(item.alias.aliasname if item.alias else item.relname) or ""] = (relation, outer)
    elif isinstance(item, ast.JoinExpr):
        kind = item.jointype.name if item.jointype else ""
        _from(item.larg, outer or kind in ("JOIN_RIGHT", "JOIN_FULL"), tables, found)
        _from(item.rarg, outer or kind in ("JOIN_LEFT", "JOIN_FULL"), tables, found)


def _inner(definition: str) -> str:
    """Strip `CHECK ((…))` down to the condition."""
    text = re.sub(r"^CHECK \((.*)\)( NOT VALID| NO INHERIT| NOT ENFORCED)*$", r"\1", definition, flags=re.S)
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:  # where the first parenthesis is closed, or at once when there is none
            if position == len(text) - 1 and text.startswith("("):
                text = text[1:-1]
            break
    return text.replace("::text", "")
