"""Policies, asked by using them: whose rows a session reads and writes when every right is granted to it.

Asked in a clone where every role may do everything to every table, and without triggers, so that only row-level
security decides. Writes are blind (no WHERE, nothing read), because a condition would bring the policies of SELECT in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from erpgres.prove.principals import BACK, Principal
from erpgres.prove.surface import ROLES, SCHEMAS, Relation, Surface
from erpgres.prove.world import World

Connection = psycopg.Connection[Any]

SAMPLES = 8
_OWNERS = ("org_id", "user_id", "partner_id", "login", "device_id", "kind", "status")
# Kinds of columns that differ with who looks, or cannot be compared.
_UNSTABLE = ("boolean", "json", "jsonb", "boolean[]")


@dataclass(frozen=True)
class Reach:
    """What policies let through: rows as "count hash"; for writes the answer of each attempt."""

    select: str
    update: str
    delete: str
    insert: tuple[str, ...]
    move: tuple[str, ...]


@dataclass
class Probe:
    """A table and the statements that ask it; made once, for all principals."""

    relation: Relation
    query: str
    update: str
    delete: str
    insert: list[str]
    move: list[str]


def open_up(connection: Connection, world: World) -> None:
    """Grant everything to every role, for the clone in which policies alone decide; logins get an organisation."""
    for login in ("relay", "worker", "monitor", "authenticator", "migrator"):
        connection.execute(
            "insert into core.analyst_login (login, org_id) values (%s, %s) on conflict do nothing",
            [login, world.ours.org_id],
        )
    names = sql.SQL(", ").join(map(sql.Identifier, (*ROLES, "owner")))
    there = connection.execute("select nspname from pg_namespace where nspname = any (%s)", [list(SCHEMAS)]).fetchall()
    for (schema,) in there:
        connection.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), names))
        connection.execute(sql.SQL("grant all on all tables in schema {} to {}").format(sql.Identifier(schema), names))
    connection.execute(
        sql.SQL("grant execute on all functions in schema core to {}").format(names)
    )  # has_permission and the like, which policies call


def stable(relation: Relation, names: Sequence[str] | None = None) -> str:
    """A query for rows by the columns that look the same to everybody; `names` narrows it to what a role may read."""
    chosen = [c.name for c in relation.columns if c.type not in _UNSTABLE and (names is None or c.name in names)]
    if not chosen:
        chosen = [c.name for c in relation.columns if names is None or c.name in names][:1]
    return f"select {', '.join(f'{chr(34)}{c}{chr(34)}' for c in chosen)} from {relation.full}"


def probes(connection: Connection, surface: Surface) -> dict[str, Probe]:
    """Prepare a probe for every table and partition; samples are its rows, different owners first."""
    return {t.full: _probe(connection, t) for t in surface.tables if t.kind != "view"}


def _probe(connection: Connection, table: Relation) -> Probe:
    rows = _samples(connection, table)
    writable = [c.name for c in table.columns if c.writable]
    names = ", ".join(f'"{name}"' for name in writable)
    records = [f"jsonb_populate_record(null::{table.full}, {_literal(row[0])}::jsonb)" for row in rows]
    free = _free_column(connection, table) or (writable[-1] if writable else table.columns[0].name)
    update = f'update {table.full} set "{free}" = null'
    if records:
        update = f'update {table.full} set "{free}" = (select "{free}" from {records[0]})'
    return Probe(
        table,
        stable(table),
        update,
        f"delete from {table.full}",
        [f"insert into {table.full} ({names}) overriding system value select {names} from {r}" for r in records],
        [f"update {table.full} set ({names}) = (select {names} from {r})" for r in records],
    )


def _samples(connection: Connection, table: Relation) -> list[Any]:
    """Rows of a table as JSON, of different organisations and owners first; of an empty partition, its table's."""
    source = table.full
    if table.kind == "partition":
        row = connection.execute(
            f"select pg_partition_root(%s::bigint::oid)::regclass::text where not exists (select from {source})",
            [table.oid],
        ).fetchone()
        source = row[0] if row else source
    owners = [c.name for c in table.columns if c.name in _OWNERS]
    if table.full == "core.organization":
        owners = ["id"]
    if not owners:
        return connection.execute(f"select to_jsonb(t)::text from {source} as t limit {SAMPLES}").fetchall()
    names = ", ".join(owners)
    return connection.execute(
        f"select to_jsonb(t)::text from (select distinct on ({names}) * from {source} order by {names}) as t "
        f"order by row_number() over (partition by {owners[0]} order by {names}), {names} limit {SAMPLES}"
    ).fetchall()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _free_column(connection: Connection, table: Relation) -> str | None:
    """A column that no constraint, key or policy looks at: the same value for all rows breaks nothing."""
    row = connection.execute(
        """
        select a.attname from pg_attribute a
        where a.attrelid = %(oid)s::bigint::oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
          and a.attidentity <> 'a'
          and not exists (
            select from pg_constraint k
            where k.conrelid = a.attrelid and k.contype <> 'n' and a.attnum = any (k.conkey))
          and not exists (
            select from pg_index i where i.indrelid = a.attrelid and i.indisunique and a.attnum = any (i.indkey))
          and not exists (
            select from pg_partitioned_table p where p.partrelid = a.attrelid and a.attnum = any (p.partattrs))
          and not exists (
            select from pg_policy p
            where p.polrelid = a.attrelid
              and concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
                ~ ('\\m' || a.attname || '\\M'))
        order by a.atttypid = 'timestamptz'::regtype desc, a.attnum desc limit 1
        """,
        {"oid": table.oid},
    ).fetchone()
    return str(row[0]) if row else None


def note(connection: Connection, probes: Mapping[str, Probe]) -> None:
    """Lay the questions down in the database, for `ask` and `ask_all`."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("truncate prove.probe")
        cursor.executemany(
            "insert into prove.probe values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (name, n, p.relation.kind == "partition", p.query, p.update, p.delete, p.insert, p.move)
                for n, (name, p) in enumerate(probes.items())
                if p.relation.has_rls
            ],
        )


def ask(connection: Connection, who: Principal, probe: Probe) -> Reach:
    """Ask one table as one principal; inside a transaction of a superuser, which is one again afterwards."""
    return _ask(connection, who, "p.name = %s", [probe.relation.full])[probe.relation.full]


def ask_all(connection: Connection, who: Principal, *, partitions: bool) -> dict[str, Reach]:
    """Ask every table as one principal, and every partition if wanted."""
    return _ask(connection, who, "%s or not p.is_partition", [partitions])


def _ask(connection: Connection, who: Principal, which: LiteralString, values: list[Any]) -> dict[str, Reach]:
    connection.execute(who.become())
    rows = connection.execute(
        "select p.name, prove.rows(p.query), cardinality(p.insert), prove.reach(p) from prove.probe as p "
        f"where {which} order by p.number",
        values,
    ).fetchall()
    connection.execute(BACK)
    return {
        name: Reach(seen, found[0], found[1], tuple(found[2 : 2 + inserts]), tuple(found[2 + inserts :]))
        for name, seen, inserts, found in rows
    }


class Scopes:
    """Names for sets of rows (`own organization`, `own partner` …), as the superuser counts them, who sees all."""

    def __init__(self, connection: Connection, world: World) -> None:
        self.connection = connection
        self.world = world
        self.known: dict[str, str] = {}

    def name(self, relation: Relation, query: str, who: Principal, seen: str) -> str:
        """The scope of the rows that somebody saw ("count hash"), or `some rows` when it has no name."""
        if seen == "42501":
            return "-"
        if seen.startswith("0 "):
            return "no row"
        for scope, condition in self._conditions(relation, who):
            if self._rows(f"{query} where {condition}") == seen:
                return scope
        return "some rows"

    def count(self, relation: Relation, org_id: str) -> int:
        """How many rows an organisation has."""
        column = "id" if relation.name in ("organization", "organizations") else "org_id"
        where = f"{column} = '{org_id}'" if relation.has(column) else "true"
        row = self.connection.execute(f"select count(*) from {relation.full} where {where}").fetchone()
        assert row is not None
        return int(row[0])

    def _of_own(self, relation: Relation, who: Principal) -> str | None:
        if relation.name in ("organization", "organizations"):
            return f"id = '{who.org_id}'"
        return f"org_id = '{who.org_id}'" if relation.has("org_id") and who.org_id else None

    def _conditions(self, relation: Relation, who: Principal) -> list[tuple[str, str]]:
        is_user = relation.name in ("app_user", "users")
        is_partner = relation.name in ("partner", "partners", "own_partner")
        found = [("every row", "true")]
        own = self._of_own(relation, who)
        if own:
            found.append(("own organization", own))
            if who.partner_id and (relation.has("partner_id") or is_partner):
                column = "id" if is_partner else "partner_id"
                found.append(("own partner", f"{own} and {column} = '{who.partner_id}'"))
            if who.partner_id and relation.has("document_id"):
                found.append(
                    (
                        "own partner's documents",
                        f"{own} and document_id in (select id from wms.document where partner_id = '{who.partner_id}')",
                    )
                )
        if who.user_id and (relation.has("user_id") or is_user):
            column = "id" if is_user else "user_id"
            found.append(("own user", f"{column} = '{who.user_id}'"))
            if own:
                found.append(("own user here", f"{own} and {column} = '{who.user_id}'"))
                found.append(("own organization and own user", f"{own} or {column} = '{who.user_id}'"))
        if relation.name == "app_user" and who.org_id:
            found.append(
                (
                    "members of own organization",
                    f"id in (select user_id from core.membership where org_id = '{who.org_id}')",
                )
            )
        if relation.name in ("organization", "membership") and who.user_id:
            column = "id" if relation.name == "organization" else "org_id"
            mine = f"select org_id from core.membership where user_id = '{who.user_id}'"
            found.append(("own organizations", f"{column} in ({mine})"))
        return found

    def _rows(self, query: str) -> str:
        if query not in self.known:
            row = self.connection.execute("select prove.rows(%s)", [query]).fetchone()
            assert row is not None
            self.known[query] = row[0]
        return self.known[query]
