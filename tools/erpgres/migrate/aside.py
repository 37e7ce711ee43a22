"""A schema that is rebuilt while requests use it: the old one steps aside and is removed when nobody is left.

Dropping a view locks out its readers until the new one is committed, and dropping a function fails the request that has
looked it up and not called it yet. So the schema is renamed and made anew: renaming locks nobody, a request sees the
whole old API or, after the commit, the whole new one, and what ran meanwhile ends on the old. The old schema goes when
every transaction that may have seen it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import sql

from erpgres.migrate import bookkeeping, catalog
from erpgres.migrate.catalog import ANALYTICS_SCHEMA, API_SCHEMA, REBUILT, Entry
from erpgres.migrate.session import DEADLOCK, DEPENDED_ON, LOCK_NOT_AVAILABLE, Session, StatementFailed, sleep

MARK = "__old"
_PATIENCE = 30.0  # longer than an API request may take; an analyst's transaction may take longer and is not waited for

# What outside of a schema stands on something in it, as far as it can: views, functions, defaults, constraints.
_OUTSIDERS = """
with inside as (
  select 'pg_class'::regclass as classid, c.oid from pg_class c where c.relnamespace = %(schema)s::regnamespace
  union all
  select 'pg_proc'::regclass, p.oid from pg_proc p where p.pronamespace = %(schema)s::regnamespace
  union all
  select 'pg_type'::regclass, t.oid from pg_type t where t.typnamespace = %(schema)s::regnamespace
)
select distinct coalesce(v.relnamespace, p.pronamespace, k.relnamespace, c.relnamespace, t.relnamespace)
         ::regnamespace::text
  from inside
  join pg_depend d on d.refclassid = inside.classid and d.refobjid = inside.oid and d.deptype in ('n', 'a')
  left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
  left join pg_class v on v.oid = r.ev_class
  left join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
  left join pg_attrdef a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
  left join pg_class k on k.oid = a.adrelid
  left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
  left join pg_trigger g on d.classid = 'pg_trigger'::regclass and g.oid = d.objid
  left join pg_class t on t.oid = g.tgrelid
 where coalesce(v.relnamespace, p.pronamespace, k.relnamespace, c.relnamespace, t.relnamespace)
       is distinct from %(schema)s::regnamespace
   and coalesce(v.relnamespace, p.pronamespace, k.relnamespace, c.relnamespace, t.relnamespace) is not null
"""


def can_step_aside(session: Session, schemas: set[str], entries: list[Entry]) -> set[str]:
    """Return the schemas to rename, `analytics` with `api` when its views stand on it; empty when dropping must do.

    That is so when there is nothing in them, when something outside stands on them (dropping says what), and when a
    schema has default privileges, which a new one would lack.
    """
    wanted = set(schemas)
    filled = {entry.schema for entry in entries if entry.kind not in ("access", "schema")}
    if not wanted & filled:
        return set()
    if session.value(
        "select exists (select from pg_default_acl where defaclnamespace in"
        " (select oid from pg_namespace where nspname = any (%s)))", [list(REBUILT)],
    ):  # fmt: skip
        return set()
    for schema in (API_SCHEMA, ANALYTICS_SCHEMA):
        if schema not in wanted or not session.value("select to_regnamespace(%s) is not null", [schema]):
            continue
        for (outsider,) in session.rows(_OUTSIDERS, {"schema": schema}):
            if schema == API_SCHEMA and outsider == ANALYTICS_SCHEMA:
                wanted.add(ANALYTICS_SCHEMA)
            elif outsider.startswith(tuple(f"{name}{MARK}" for name in REBUILT)):
                continue
            else:
                return set()
    return {schema for schema in wanted if session.value("select to_regnamespace(%s) is not null", [schema])}


def step_aside(session: Session, schema: str) -> str:
    """Rename a schema and make an empty one with its comment and its grants; returns the old one's new name."""
    number = 1
    while session.value("select to_regnamespace(%s) is not null", [f"{schema}{MARK}{number}"]):
        number += 1
    old = f"{schema}{MARK}{number}"
    session.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), sql.Identifier(old)))
    session.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    comment = session.value("select obj_description(%s::regnamespace, 'pg_namespace')", [old])
    if comment is not None:
        session.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(schema), sql.Literal(comment)))
    grants = session.rows(
        "select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end,"
        " x.privilege_type, x.is_grantable from pg_namespace n, aclexplode(n.nspacl) x"
        " where n.nspname = %s and x.grantee <> n.nspowner", [old],
    )  # fmt: skip
    for grantee, privilege, grantable in grants:
        option = " with grant option" if grantable else ""
        session.execute(
            sql.SQL(f"grant {privilege} on schema {{}} to {grantee}{option}").format(sql.Identifier(schema))
        )
    return old


def left_behind(session: Session) -> list[str]:
    """Return the schemas that stepped aside and are still there."""
    return [
        row[0]
        for row in session.rows(
            "select nspname from pg_namespace where nspname ~ %s and pg_get_userbyid(nspowner) = %s order by oid",
            [f"^({'|'.join(REBUILT)}){MARK}[0-9]+$", bookkeeping.OWNER],
        )
    ]


def sweep(session: Session, progress: Callable[[str], None], *, patience: float = _PATIENCE) -> list[str]:
    """Remove the schemas that stepped aside, when the transactions that may use them are over.

    `patience` seconds are waited for those. Then each object is dropped by itself and its lock tried for a moment only:
    a session that still has a plan with an old view looks at its lock before it makes a new plan.
    Returns what is still used; the next run removes it.
    """
    schemas = left_behind(session)
    if not schemas:
        return []
    _await_others(session, patience)
    tries = 0
    while True:
        left, why = _drop_some(session, schemas)
        if not left:
            for schema in reversed(schemas):
                with session.transaction():
                    bookkeeping.become_owner(session)
                    session.execute(sql.SQL("drop schema {}").format(sql.Identifier(schema)))
            return []
        tries += 1
        if tries > 20:
            progress(f"{', '.join(schemas)} stays until the next run: {why}")
            return schemas
        sleep(min(0.05 * 2**tries, 2.0))


def _drop_some(session: Session, schemas: list[str]) -> tuple[int, str]:
    """Drop what can be dropped, each object by itself; returns how many are left, and why the last of them is."""
    with session.transaction(rollback=True):
        bookkeeping.become_owner(session)
        found = catalog.listing(session, schemas, rebuilt=schemas).values()
    left = [entry for entry in found if entry.kind not in ("access", "schema")]
    # Triggers first, then what is newer, since it stands on what is older.
    left.sort(key=lambda entry: (entry.kind != "trigger", -entry.oid))
    why = ""
    while left:
        remaining = []
        for entry in left:
            try:
                with session.transaction():
                    bookkeeping.become_owner(session)
                    session.rows("select set_config('lock_timeout', '100ms', true)")
                    session.execute(catalog.drop_statement(entry))
            except StatementFailed as error:
                if error.sqlstate not in (LOCK_NOT_AVAILABLE, DEADLOCK, DEPENDED_ON):
                    raise
                remaining.append(entry)
                why = error.message.splitlines()[0]
        if len(remaining) == len(left):
            return len(left), why
        left = remaining
    return 0, ""


def _await_others(session: Session, patience: float) -> None:
    """Wait until the transactions of this database that are open now have ended."""
    open_now = (
        "select l.pid || ' ' || l.virtualtransaction from pg_locks l join pg_stat_activity a on a.pid = l.pid"
        " where l.locktype = 'virtualxid' and l.pid <> pg_backend_pid() and a.datname = current_database()"
        " and a.usename is not null"
    )
    waited_for = {row[0] for row in session.rows(open_now)}
    deadline = time.monotonic() + patience
    while waited_for and time.monotonic() < deadline:
        sleep(0.05)
        waited_for &= {row[0] for row in session.rows(open_now)}
