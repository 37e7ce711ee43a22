"""Grants, asked by using them: what a role's session may name, read, write, call and become, row-level security aside.

Each statement touches no row (`limit 0`, `where false`), so only rights decide. Answers are SQLSTATEs, not the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from erpgres.prove.principals import BACK
from erpgres.prove.sample import EVERYTHING, Sample
from erpgres.prove.surface import API_ROLES, ROLES, Column, Function, Relation, Surface

Connection = psycopg.Connection[Any]
Cells = dict[tuple[str, str], dict[str, str]]

COMMANDS = ("select", "insert", "update")
WHOLE = ("delete", "truncate")
# Nobody needs these; PostgreSQL gives them with a word, and none of them can be tried without leaving something.
NEVER = ("TRIGGER", "REFERENCES", "MAINTAIN")
LOGINS = ("authenticator", "migrator", "analyst", "relay", "worker", "monitor")
WITHOUT_EFFECT = "granted without effect"
TARGETS = (*ROLES, "owner", "postgres")


def become(role: str) -> str:
    """SQL that makes a superuser's transaction a session of the role, as the part that uses it would."""
    login = "authenticator" if role in API_ROLES else role
    return f"set local session authorization {login}; set local role {role}"


def attempt(connection: Connection, role: str, statements: Sequence[str]) -> list[str]:
    """Try the statements as the role, each rolled back; inside a transaction."""
    if not statements:
        return []
    connection.execute(become(role))
    row = connection.execute("select prove.attempt(%s)", [list(statements)]).fetchone()
    connection.execute(BACK)
    assert row is not None
    return list(row[0])


# What is asked of each column. Of a whole relation, first: with all columns, which if given means that each is; with
# none, which PostgreSQL lets pass for a right to any column, so that none is given if that is refused.
PATTERNS = {
    "select": "select {names} from {table} limit 0",
    "insert": "insert into {table} ({names}) select {nulls} where false",
    "update": "update {table} set {changes} where false",
    "delete": "delete from {table} where false",
    "truncate": "truncate {table}",
}
NO_COLUMN = {"select": "select from {table} limit 0", "insert": "insert into {table} select where false"}
AT_ONCE = 60


def relation(connection: Connection, role: str, what: Relation, only: str | None = None) -> dict[str, str]:
    """What the role may do with a relation: {right: columns as `*`, `-` or their names}; `only` asks one right."""
    return relations(connection, role, [what], only)[what.full]


def relations(
    connection: Connection, role: str, asked: Sequence[Relation], only: str | None = None, sample: Sample = EVERYTHING
) -> dict[str, dict[str, str]]:
    """What the role may do with relations. With a sample, columns that the catalog gives him no right to update and
    that are refused all together are tried one by one only as the sample says."""
    found: dict[str, dict[str, str]] = {}
    for first in range(0, len(asked), AT_ONCE):
        found |= _some_relations(connection, role, asked[first : first + AT_ONCE], only, sample)
    return found


def _some_relations(
    connection: Connection, role: str, asked: Sequence[Relation], only: str | None, sample: Sample
) -> dict[str, dict[str, str]]:
    granted = _granted(connection, role, asked)
    rights = [(what, right) for what in asked for right in PATTERNS if _is_asked(what, right, only)]
    whole: list[tuple[Relation, str, bool]] = []
    for what, right in rights:
        whole.append((what, right, True))
        if right in NO_COLUMN:
            whole.append((what, right, False))
    answers = dict(
        zip(
            [(what.full, right, is_all) for what, right, is_all in whole],
            attempt(connection, role, [_statement(*question) for question in whole]),
            strict=True,
        )
    )
    single: list[tuple[Relation, str, Column]] = []
    for place, (what, right) in enumerate(rights):
        if right not in COMMANDS or answers[what.full, right, True].startswith("ok"):
            continue
        if answers.get((what.full, right, False), "").startswith("42501"):
            continue
        single += [
            (what, right, column)
            for number, column in enumerate(what.columns)
            if right != "update" or granted[what.full][right] or sample.takes(place, number)
        ]
    codes = attempt(connection, role, [_statement(what, right, column) for what, right, column in single])
    each = {
        (what.full, right, c.name) for (what, right, c), code in zip(single, codes, strict=True) if _is_allowed(code)
    }
    cells: dict[str, dict[str, str]] = {what.full: {} for what in asked}
    for what, right in rights:
        code = answers[what.full, right, True]
        idle = granted[what.full][right]
        if right in WHOLE:
            # A table that others refer to is not truncated, whoever asks; the right is looked at first.
            is_allowed = _is_allowed(code) or (right == "truncate" and code == "0A000")
            cells[what.full][right] = "yes" if is_allowed else WITHOUT_EFFECT if idle else "-"
            continue
        possible = [c.name for c in what.columns if right == "select" or c.writable]
        allowed = (
            possible if code.startswith("ok") else [c.name for c in what.columns if (what.full, right, c.name) in each]
        )
        idle = [name for name in idle if name not in allowed]
        cells[what.full][right] = _columns(allowed, possible) + (
            f" ({WITHOUT_EFFECT}: {' '.join(idle)})" if idle else ""
        )
    return cells


def _is_asked(what: Relation, right: str, only: str | None) -> bool:
    return only in (None, right) and (right != "truncate" or what.kind != "view")


def _statement(what: Relation, right: str, column: Column | bool) -> str:
    """A statement that touches no row: with one column, with all that it can name (True), or with none (False)."""
    if column is False:
        return NO_COLUMN[right].format(table=what.full)
    named = [column] if isinstance(column, Column) else [c for c in what.columns if right == "select" or c.writable]
    named = named or list(what.columns)
    return PATTERNS[right].format(
        table=what.full,
        names=", ".join(f'"{c.name}"' for c in named),
        nulls=", ".join(f"null::{c.type}" for c in named),
        changes=", ".join(f'"{c.name}" = null' for c in named),
    )


def _granted(connection: Connection, role: str, asked: Sequence[Relation]) -> dict[str, dict[str, list[str]]]:
    """What the catalog says is granted, used or not: {relation: {right: columns, or one word for the whole}}."""
    oids = {what.oid: what.full for what in asked}
    found: dict[str, dict[str, list[str]]] = {what.full: {right: [] for right in (*COMMANDS, *WHOLE)} for what in asked}
    for oid, right, name in connection.execute(
        "select a.attrelid::bigint, p, a.attname from unnest(%(columns)s::text[]) p "
        "join pg_attribute a on a.attrelid = any (%(oids)s::bigint[]::oid[]) "
        "and a.attnum > 0 and not a.attisdropped "
        "where has_column_privilege(%(role)s, a.attrelid, a.attnum, p) "
        "union all select o, p, 'yes' from unnest(%(whole)s::text[]) p, unnest(%(oids)s::bigint[]) o "
        "where has_table_privilege(%(role)s, o::oid, p)",
        {"columns": list(COMMANDS), "whole": list(WHOLE), "role": role, "oids": list(oids)},
    ):
        found[oids[oid]][right].append(name)
    return found


def runs_as(connection: Connection, function: Function) -> str:
    """Whose rights a function runs with, and the search_path that PostgreSQL sets for it at each call."""
    row = connection.execute(
        "select case when prosecdef then 'definer ' || pg_get_userbyid(proowner) else 'invoker' end || coalesce("
        "'; ' || (select string_agg(s, '; ') from unnest(proconfig) s where s like 'search_path=%%'), '') "
        "from pg_proc where oid = %s::bigint::oid",
        [function.oid],
    ).fetchone()
    assert row is not None
    return str(row[0])


def other(connection: Connection, role: str, what: Relation) -> str:
    """What nobody should have on a relation: TRIGGER, REFERENCES, MAINTAIN, and any right that can be passed on."""
    return others(connection, role, [what])[what.full]


def others(connection: Connection, role: str, asked: Sequence[Relation]) -> dict[str, str]:
    """The same of many relations."""
    rows = connection.execute(
        "select o, string_agg(p || g, ', ' order by p, g) "
        "from unnest(%s::bigint[]) o, unnest(%s::text[]) p, unnest(array['', ' WITH GRANT OPTION']) g "
        "where has_table_privilege(%s, o::oid, p || g) and (g <> '' or p = any (%s)) group by o",
        [
            [what.oid for what in asked],
            [*NEVER, "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"],
            role,
            list(NEVER),
        ],
    ).fetchall()
    found = dict(rows)
    return {what.full: found.get(what.oid, "-") for what in asked}


def function(connection: Connection, role: str, functions: Sequence[Function]) -> dict[str, str]:
    """Which of the functions the role may call: {signature: yes or -}."""
    called = [f for f in functions if not f.is_trigger]
    statements = []
    for f in called:
        # From a row that the planner cannot see through, or a strict function would never be looked at.
        given = ", ".join([f"null::{kind} as a{n}" for n, (_, kind, _) in enumerate(f.arguments)] or ["1"])
        names = [f"q.a{n}" for n in range(len(f.arguments))]
        arguments = ", ".join([*names[:-1], f"variadic {names[-1]}"] if f.is_variadic else names)
        statements.append(f'select {f.schema}."{f.name}"({arguments}) from (select {given} offset 0) as q limit 0')
    found = dict(zip((f.full for f in called), attempt(connection, role, statements), strict=True))
    cells = {name: "yes" if _is_allowed(code) else "-" for name, code in found.items()}
    rows = connection.execute(
        "select o, has_function_privilege(%s, o::oid, 'execute') from unnest(%s::bigint[]) o",
        [role, [f.oid for f in functions]],
    ).fetchall()
    granted = dict(rows)
    for f in functions:
        if granted[f.oid] and cells.get(f.full) != "yes":
            cells[f.full] = WITHOUT_EFFECT  # a trigger function cannot be called, another's schema not be entered
        cells.setdefault(f.full, "-")
    return cells


def schema(connection: Connection, role: str, names: Sequence[str]) -> dict[str, str]:
    """Whether the role may look into schemas, and make things there: {schema: use, use and create, or -}."""
    statements = [s for n in names for s in (f"select '{n}.prove_nothing'::regclass", f"create table {n}.prove_x ()")]
    found = attempt(connection, role, statements)
    cells = {}
    for n, use, create in zip(names, found[::2], found[1::2], strict=True):
        cells[n] = (
            " and ".join(word for word, yes in (("use", _is_allowed(use)), ("create", create.startswith("ok"))) if yes)
            or "-"
        )
    return cells


def sequence(connection: Connection, role: str, names: Sequence[str]) -> dict[str, str]:
    """Whether the role may draw from or read sequences."""
    statements = [s for n in names for s in (f"select nextval('{n}')", f"select last_value from {n}")]
    found = attempt(connection, role, statements)
    return {
        n: " and ".join(w for w, code in (("draw", draw), ("read", read)) if _is_allowed(code)) or "-"
        for n, draw, read in zip(names, found[::2], found[1::2], strict=True)
    }


def roles(connection: Connection) -> Cells:
    """What each login can become, which rights come to a role from others, and what belongs to the database."""
    cells: Cells = {}
    for login in LOGINS:
        connection.execute(f"set local session authorization {login}")
        row = connection.execute(
            "select prove.attempt(%s)", [[f"set local role {target}" for target in TARGETS]]
        ).fetchone()
        connection.execute(BACK)
        assert row is not None
        for target, code in zip(TARGETS, row[0], strict=True):
            cells.setdefault((f"role {target}", "set role"), {})[login] = "yes" if code.startswith("ok") else "-"
    rows = connection.execute(
        """
        select r.rolname,
          coalesce((select string_agg(o.rolname, ', ' order by o.rolname) from pg_roles o
                    where o.oid <> r.oid and pg_has_role(r.oid, o.oid, 'USAGE')), '-'),
          coalesce((select string_agg(o.rolname, ', ' order by o.rolname) from pg_roles o
                    where o.oid <> r.oid and pg_has_role(r.oid, o.oid, 'SET')), '-'),
          coalesce((select string_agg(distinct g.rolname, ', ' order by g.rolname) from pg_auth_members m
                    join pg_roles g on g.oid = m.roleid where m.member = r.oid and m.admin_option), '-'),
          coalesce(nullif(concat_ws(', ', case when rolsuper then 'superuser' end,
            case when rolbypassrls then 'bypassrls' end, case when rolcreaterole then 'createrole' end,
            case when rolcreatedb then 'createdb' end, case when rolreplication then 'replication' end), ''), '-'),
          coalesce((select string_agg(p, ', ' order by p) from unnest(array['CONNECT', 'CREATE', 'TEMPORARY']) p
                    where has_database_privilege(r.oid, current_database(), p)), '-'),
          coalesce((select string_agg(s.name, ', ' order by s.name) from pg_settings s
                    where s.context = 'superuser' and has_parameter_privilege(r.oid, s.name, 'SET')), '-')
        from pg_roles r where r.rolname = any (%s)
        """,
        [[*ROLES, "owner"]],
    ).fetchall()
    for name, inherits, becomes, administers, attributes, on_database, parameters in rows:
        for right, value in (
            ("inherits the rights of", inherits),
            ("can become", becomes),
            ("administers", administers),
            ("attributes", attributes),
            ("database", on_database),
            ("superuser's settings", parameters),
        ):
            cells.setdefault(("itself", right), {})[name] = value
    return cells


def matrix(connection: Connection, surface: Surface, sample: Sample = EVERYTHING) -> Cells:
    """All rights on relations, functions, schemas and sequences: {(object, right): {role: value}}."""
    cells: Cells = {}
    for role in ROLES:
        for full, rights in relations(connection, role, surface.relations, sample=sample).items():
            for right, value in rights.items():
                cells.setdefault((full, right), {})[role] = value
        for full, value in others(connection, role, surface.relations).items():
            cells.setdefault((full, "other"), {})[role] = value
        for name, value in function(connection, role, surface.functions).items():
            cells.setdefault((name, "execute"), {})[role] = value
        for name, value in schema(connection, role, surface.schemas).items():
            cells.setdefault((f"schema {name}", "schema"), {})[role] = value
        for name, value in sequence(connection, role, surface.sequences).items():
            cells.setdefault((f"sequence {name}", "sequence"), {})[role] = value
    return cells


def _is_allowed(code: str) -> bool:
    """Whether an answer means that the right was there: anything but a refusal, or a view that cannot be written."""
    return not code.startswith("42501") and code not in ("55000", "0A000", "428C9", "42809")


def _columns(allowed: list[str], writable: list[str]) -> str:
    if not allowed:
        return "-"
    missing = [name for name in writable if name not in allowed]
    if not missing:
        return "*"
    if len(missing) < len(allowed):
        return f"* but {' '.join(missing)}"
    return " ".join(allowed)
