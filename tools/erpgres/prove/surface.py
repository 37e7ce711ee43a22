"""What there is to be proved: views, functions, tables, policies and roles, read from the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from erpgres.settings import DOMAINS

Connection = psycopg.Connection[Any]

ROLES = (
    "anon",
    "partner",
    "member",
    "superadmin",
    "analyst",
    "relay",
    "worker",
    "monitor",
    "authenticator",
    "migrator",
)
API_ROLES = ("anon", "partner", "member", "superadmin")
SCHEMAS = (*DOMAINS, "api", "analytics")


@dataclass(frozen=True)
class Column:
    """A column: its name, its type as SQL writes it, and whether a statement may give it a value."""

    name: str
    type: str
    writable: bool


@dataclass(frozen=True)
class Relation:
    """A table, partition or view of ours. `kind` is table, partition or view."""

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    has_rls: bool
    oid: int

    @property
    def full(self) -> str:
        """Schema and name; all our names are plain identifiers."""
        return f"{self.schema}.{self.name}"

    def has(self, column: str) -> bool:
        """Whether it has a column of this name."""
        return any(c.name == column for c in self.columns)


@dataclass(frozen=True)
class Function:
    """A function. `arguments` are (name, type, is optional)."""

    schema: str
    name: str
    signature: str
    arguments: tuple[tuple[str, str, bool], ...]
    is_definer: bool
    is_volatile: bool
    is_trigger: bool
    returns_set: bool
    is_variadic: bool
    oid: int

    @property
    def full(self) -> str:
        """Schema, name and argument types."""
        return self.signature


@dataclass(frozen=True)
class Policy:
    """A policy as CREATE POLICY would say it; `command` is one of all, select, insert, update, delete.

    `is_about_caller`: its check asks about no column, only about who asks.
    """

    table: str
    name: str
    command: str
    role: str
    using: str | None
    check: str | None
    is_about_caller: bool


@dataclass(frozen=True)
class Relationship:
    """A foreign key between tables that two views show: PostgREST embeds along it, both ways."""

    view: str
    constraint: str
    other: str


@dataclass
class Surface:
    """Everything that the proof asks about."""

    views: list[Relation] = field(default_factory=list)
    tables: list[Relation] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    relationships: list[Relationship] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)

    @property
    def relations(self) -> list[Relation]:
        """Views and tables, partitions among them."""
        return [*self.views, *self.tables]

    @property
    def api_functions(self) -> list[Function]:
        """What clients can call."""
        return [f for f in self.functions if f.schema == "api" and not f.is_trigger]


_RELATIONS = """
select n.nspname, c.relname,
  case when c.relkind in ('v', 'm') then 'view' when c.relispartition then 'partition' else 'table' end,
  array_agg(a.attname::text order by a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum),
  array_agg(a.attgenerated = '' and a.attidentity <> 'a' order by a.attnum),
  c.relrowsecurity, c.oid::bigint
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname = any (%s)
group by 1, 2, 3, c.relrowsecurity, c.oid
order by 1, 2
"""

_FUNCTIONS = """
select n.nspname, p.proname, p.oid::regprocedure::text,
  coalesce(p.proargnames[1:p.pronargs], '{}'), array(select t::regtype::text from unnest(p.proargtypes) t),
  p.pronargdefaults, p.prosecdef, p.provolatile = 'v',
  p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype), p.proretset, p.provariadic <> 0, p.oid::bigint
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = any (%s) and p.prokind <> 'a'
order by 1, 2, 3
"""

_POLICIES = """
select p.polrelid::regclass::text, p.polname,
  case p.polcmd
    when '*' then 'all' when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end,
  coalesce((select r.rolname from pg_roles r where r.oid = p.polroles[1]), 'public'),
  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
  coalesce(p.polwithcheck::text !~ '\\{VAR ', false)
from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%s)
order by 1, 2
"""

_RELATIONSHIPS = """
with shown as (
  select distinct v.relname, d.refobjid as tab
  from pg_class v
  join pg_rewrite w on w.ev_class = v.oid
  join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
    and d.refclassid = 'pg_class'::regclass
  where v.relnamespace = 'api'::regnamespace and v.relkind = 'v' and d.refobjid <> v.oid
)
select a.relname, k.conname, b.relname
from pg_constraint k join shown a on a.tab = k.conrelid join shown b on b.tab = k.confrelid
where k.contype = 'f' and k.conparentid = 0
order by 1, 2, 3
"""


def read(connection: Connection) -> Surface:
    """Read the surface. `connection` is a superuser's to the database."""
    schemas = list(SCHEMAS)
    with connection.transaction():
        connection.execute("set local search_path = pg_catalog")
        relations = [
            Relation(schema, name, kind, tuple(map(Column, names, types, writable)), rls, oid)
            for schema, name, kind, names, types, writable, rls, oid in connection.execute(_RELATIONS, [schemas])
        ]
        functions = []
        for schema, name, signature, names, types, optional, *rest in connection.execute(_FUNCTIONS, [schemas]):
            names = names or [""] * len(types)
            required = len(types) - optional
            arguments = tuple((n, t, i >= required) for i, (n, t) in enumerate(zip(names, types, strict=True)))
            functions.append(Function(schema, name, signature, arguments, *rest))
        policies = [Policy(*row) for row in connection.execute(_POLICIES, [schemas])]
        links = [Relationship(*row) for row in connection.execute(_RELATIONSHIPS)]
        sequences = connection.execute(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind = 'S' and n.nspname = any (%s) order by 1",
            [schemas],
        ).fetchall()
        there = connection.execute(
            "select nspname from pg_namespace where nspname = any (%s) or nspname = 'public' order by 1", [schemas]
        ).fetchall()
    return Surface(
        views=[r for r in relations if r.schema == "api"],
        tables=[r for r in relations if r.schema != "api"],
        functions=functions,
        policies=policies,
        relationships=links,
        sequences=[row[0] for row in sequences],
        schemas=[row[0] for row in there],
    )
