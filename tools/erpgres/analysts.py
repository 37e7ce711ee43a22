"""Database logins of people who query with SQL, each bound to one organisation."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from erpgres import database
from erpgres.errors import Refused
from erpgres.stack.state import State

GROUP = "analyst"
_LOGIN = re.compile(r"[a-z][a-z0-9_]{2,62}")


@dataclass(frozen=True)
class Analyst:
    """A login, the code of its organisation (None: bound to none, sees nothing), and since when."""

    login: str
    organization: str | None
    created_at: str | None


def add(state: State, login: str, organization: str) -> str:
    """Make a login that sees the organisation (a code) and return its generated password, which is kept nowhere.

    Raises Refused when the name will not do, the login exists or the organisation does not. Logins are made by the
    superuser, or by the DBA of --database-url (who needs CREATEROLE).
    """
    if not _LOGIN.fullmatch(login) or login.startswith("pg_"):
        raise Refused(
            f"{login!r} cannot be a login", "3 to 63 small letters, digits and underscores, a letter first, not pg_"
        )
    password = secrets.token_urlsafe(24)
    with database.connect(state.dsn("migrator")) as tools:
        row = tools.execute("select id from core.organization where code = %s", [organization]).fetchone()
        if row is None:
            raise Refused(f"there is no organisation {organization}")
        # The binding first, in a transaction that waits: a login never exists without it.
        try:
            tools.execute("insert into core.analyst_login (login, org_id) values (%s, %s)", [login, row[0]])
        except errors.UniqueViolation as error:
            raise Refused(f"there is a login {login} already", "`erpgres analyst list` shows it") from error
        with _administrator(state) as administrator:
            statement = sql.SQL(
                "create role {} login inherit nosuperuser nocreatedb nocreaterole connection limit 5 password {}"
            )
            try:
                with administrator.transaction():
                    administrator.execute(
                        statement.format(sql.Identifier(login), _verifier(administrator, login, password))
                    )
                    administrator.execute(
                        sql.SQL("grant {} to {} with inherit true, set false").format(
                            sql.Identifier(GROUP), sql.Identifier(login)
                        )
                    )
                    # Roles do not inherit settings: each login gets those of the group.
                    for name, value in administrator.execute(
                        "select split_part(s, '=', 1), substr(s, strpos(s, '=') + 1) from pg_db_role_setting as d "
                        "cross join unnest(d.setconfig) as s where d.setrole = %s::regrole and d.setdatabase = 0",
                        [GROUP],
                    ).fetchall():
                        administrator.execute(
                            sql.SQL("alter role {} set {} = {}").format(
                                sql.Identifier(login), sql.Identifier(name), sql.Literal(value)
                            )
                        )
            except errors.DuplicateObject as error:
                raise Refused(f"there is a database role {login} already", "choose another name") from error
            try:
                tools.commit()
            except psycopg.Error:
                administrator.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))
                raise
    return password


def remove(state: State, login: str) -> None:
    """End the sessions of an analyst's login and remove it. Raises Refused when there is no such analyst."""
    if login not in {entry.login for entry in every(state)}:
        raise Refused(f"there is no analyst {login}", "`erpgres analyst list` shows them")
    with _administrator(state) as administrator:
        if administrator.execute("select 1 from pg_roles where rolname = %s", [login]).fetchone():
            administrator.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(login)))
            administrator.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [login])
            administrator.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))
    with database.connect(state.dsn("migrator")) as tools:
        tools.execute("delete from core.analyst_login where login = %s", [login])


def every(state: State) -> list[Analyst]:
    """Return the analysts by name: logins of the group, and bindings whose login is gone."""
    with database.connect(state.dsn("migrator")) as tools:
        rows = tools.execute(
            """
            select coalesce(a.login, r.login), o.code,
              to_char(a.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SSZ')
            from core.analyst_login as a
            join core.organization as o on o.id = a.org_id
            full join (
              select m.member::regrole::text as login
              from pg_auth_members as m
              join pg_roles as u on u.oid = m.member and u.rolcanlogin
              where m.roleid = %s::regrole
            ) as r on r.login = a.login
            order by 1
            """,
            [GROUP],
        ).fetchall()
    return [Analyst(*row) for row in rows]


def _administrator(state: State) -> psycopg.Connection[Any]:
    return database.connect(state.dsn("postgres", state.database), autocommit=True)


def _verifier(connection: psycopg.Connection[Any], login: str, password: str) -> sql.Literal:
    """Return the SCRAM verifier of a password, so that the password itself is in no log and no view of the server."""
    return sql.Literal(connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode())
