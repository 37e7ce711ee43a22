"""Prepares a cluster for Erpgres: applies sql/cluster, makes the database, sets the passwords of the login roles.

Done as a superuser, or as a DBA with CREATEROLE who may create databases or owns the existing one. PostgreSQL 16 and
later give such a DBA only ADMIN on the roles he creates; he grants himself the rest (SET and INHERIT on `owner`), which
ADMIN allows, because making a database for `owner` and altering `owner`'s default privileges need it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from erpgres import settings
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import sqlfile

LOGIN_ROLES = ("authenticator", "migrator", "analyst", "relay", "worker", "monitor")
OWNER = "owner"
ROLES_FILE = "00_"
SUPERUSER_MARK = "-- requires: superuser"
OLDEST = 180000
_KEY = 4_711_202_519  # advisory lock: one preparation at a time

# A verifier says how often whoever logs in must work out its digest, which makes guessing slower and takes 3 ms of CPU.
# Nobody guesses a password that was generated, and PostgREST opens all its connections anew when the API changes. The
# other roles stay with what is usual: some drivers refuse less.
_ITERATIONS = 4096
_ITERATIONS_OF = {"authenticator": 1}
_GENERATED = 40  # characters of a generated password (240 bits)

Connection = psycopg.Connection[tuple[object, ...]]


def apply(dsn: str, secret: Callable[[str], str], database: str, *, root: Path = settings.ROOT) -> str:
    """Apply sql/cluster so that `database` exists, owned by `owner` if that can be had; safe to repeat.

    `dsn` is the conninfo of a superuser or DBA to any database of the cluster; `secret(role)` gives a role's password.
    Returns what was done, one line a fact. Raises CannotRun without a connection or rights, Refused for failing SQL.
    """
    files = sorted((root / "sql" / "cluster").glob("*.sql"))
    done: list[str] = []
    with _connect(dsn) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_KEY])
        superuser = _check_rights(connection)
        for path in files:
            if path.name.startswith(ROLES_FILE):
                _apply_file(connection, path, root, done, superuser=superuser)
        if _role_exists(connection, OWNER):
            if not superuser:
                _take_owner(connection)
            _make_database(connection, database, done)
        elif not _database_exists(connection, database):
            raise CannotRun(f"sql/cluster made no role {OWNER}", "00_roles.sql must create it")
        _set_passwords(connection, secret, done, superuser=superuser)
        with _connect(make_conninfo(dsn, dbname=database)) as target:
            for path in files:
                if not path.name.startswith(ROLES_FILE):
                    _apply_file(target, path, root, done, superuser=superuser)
            if _role_exists(target, OWNER):
                _open_public(target)
    return "\n".join(done)


def _connect(dsn: str) -> Connection:
    try:
        conninfo = make_conninfo(dsn, application_name="erpgres cluster")
        connection: Connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise CannotRun(f"cannot connect: {str(error).strip()}") from None
    connection.execute("set client_min_messages = warning")
    return connection


def _check_rights(connection: Connection) -> bool:
    """Return whether the session is a superuser's; raises CannotRun for an old server or a powerless role."""
    version = connection.info.server_version
    if version < OLDEST:
        raise CannotRun(
            f"the server is PostgreSQL {version // 10000}, Erpgres needs {OLDEST // 10000} or later",
            "uuidv7(), temporal keys and virtual columns are used everywhere",
        )
    row = connection.execute(
        "select rolname, rolsuper, rolcreaterole from pg_roles where rolname = current_user"
    ).fetchone()
    assert row is not None
    name, superuser, createrole = row
    if not superuser and not createrole:
        raise CannotRun(
            f"{name} may not prepare the cluster: it is neither superuser nor has CREATEROLE",
            f'a superuser runs: alter role "{name}" createrole createdb',
        )
    return bool(superuser)


def _apply_file(connection: Connection, path: Path, root: Path, done: list[str], *, superuser: bool) -> None:
    """Run a file in one transaction, or leave it out for want of a superuser."""
    shown = sqlfile.name_of(path, root)
    first = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    if first == SUPERUSER_MARK and not superuser:
        done.append(f"skipped {shown}: it needs a superuser")
        return
    with connection.transaction():
        for statement in sqlfile.read(path, root):
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                raise _refused(statement, error, connection) from None
    done.append(f"applied {shown}")


def _refused(statement: sqlfile.Statement, error: psycopg.Error, connection: Connection) -> Refused:
    diag = error.diag
    hint = diag.message_hint
    if error.sqlstate == "42501" and hint is None:
        hint = (
            f"the role {connection.info.user} lacks a right; a superuser can run this step once, or grant the role"
            " ADMIN on the Erpgres roles that already exist"
        )
    detail = f"\n    detail: {diag.message_detail}" if diag.message_detail else ""
    message = diag.message_primary or str(error).strip()
    place = f"{statement.path} line {statement.line}"
    return Refused(f"{place}: {message} ({error.sqlstate})\n{statement.head()}{detail}", hint)


def _role_exists(connection: Connection, role: str) -> bool:
    return connection.execute("select from pg_roles where rolname = %s", [role]).fetchone() is not None


def _database_exists(connection: Connection, database: str) -> bool:
    return connection.execute("select from pg_database where datname = %s", [database]).fetchone() is not None


def _take_owner(connection: Connection) -> None:
    """Give the DBA SET and INHERIT on `owner`, which his ADMIN on it allows."""
    row = connection.execute(
        "select pg_has_role(%(role)s, 'SET') and pg_has_role(%(role)s, 'USAGE'),"
        " pg_has_role(%(role)s, 'MEMBER WITH ADMIN OPTION')",
        {"role": OWNER},
    ).fetchone()
    has_both, has_admin = row or (False, False)
    if has_both:
        return
    if not has_admin:
        raise CannotRun(
            f"{connection.info.user} did not create the role {OWNER} and may not act as it",
            f'a superuser runs: grant {OWNER} to "{connection.info.user}" with admin true, set true, inherit true',
        )
    connection.execute(
        sql.SQL("grant {} to {} with set true, inherit true").format(
            sql.Identifier(OWNER), sql.Identifier(connection.info.user)
        )
    )


def _make_database(connection: Connection, database: str, done: list[str]) -> None:
    """Create the database for `owner`, or see that `owner` may make schemas in the existing one."""
    name, owner = sql.Identifier(database), sql.Identifier(OWNER)
    row = connection.execute(
        "select pg_get_userbyid(d.datdba), pg_has_role(d.datdba, 'USAGE'), r.rolsuper or r.rolcreatedb,"
        " has_database_privilege(%(owner)s, d.oid, 'CREATE'), has_database_privilege(%(owner)s, d.oid, 'TEMP')"
        " from pg_database d, pg_roles r where d.datname = %(database)s and r.rolname = current_user",
        {"database": database, "owner": OWNER},
    ).fetchone()
    if row is None:
        try:
            connection.execute(
                sql.SQL("create database {} owner {} template template0 encoding 'UTF8'").format(name, owner)
            )
        except psycopg.errors.InsufficientPrivilege:
            raise CannotRun(
                f"{connection.info.user} may not create the database {database}",
                f'a superuser runs: create database "{database}" owner "{connection.info.user}"',
            ) from None
        done.append(f"created the database {database}")
        return
    datdba, is_ours, may_alter, can_create, can_temp = row
    if datdba == OWNER:
        return
    if is_ours and may_alter:
        connection.execute(sql.SQL("alter database {} owner to {}").format(name, owner))
        done.append(f"gave the database {database} to {OWNER}")
    elif not (can_create and can_temp):
        if not is_ours:
            raise CannotRun(
                f"the database {database} belongs to {datdba}, and {OWNER} may not create schemas in it",
                f'its owner runs: grant create, temporary on database "{database}" to {OWNER}',
            )
        connection.execute(sql.SQL("grant connect, create, temporary on database {} to {}").format(name, owner))
        done.append(f"granted {OWNER} what it needs on the database {database}")


def _open_public(target: Connection) -> None:
    """Let `owner` use the extensions in schema public where it does not own the database, and public with it."""
    row = target.execute(
        "select has_schema_privilege(%s, oid, 'USAGE') from pg_namespace where nspname = 'public'", [OWNER]
    ).fetchone()
    if row == (False,):
        target.execute(sql.SQL("grant usage on schema public to {}").format(sql.Identifier(OWNER)))


def _set_passwords(connection: Connection, secret: Callable[[str], str], done: list[str], *, superuser: bool) -> None:
    """Set the passwords of the login roles, sent as SCRAM verifiers so that no log ever holds one.

    A superuser sees the verifiers in place and leaves those that fit; a DBA cannot, and sets them every time.
    """
    for role in LOGIN_ROLES:
        row = connection.execute("select rolcanlogin from pg_roles where rolname = %s", [role]).fetchone()
        if row is None or not row[0]:
            continue
        password = secret(role)
        wanted = _ITERATIONS_OF.get(role, _ITERATIONS) if len(password) >= _GENERATED else _ITERATIONS
        if superuser:
            stored = connection.execute("select rolpassword from pg_authid where rolname = %s", [role]).fetchone()
            if stored is not None and matches(password, str(stored[0])) and iterations(str(stored[0])) == wanted:
                continue
        connection.execute("select set_config('scram_iterations', %s, false)", [str(wanted)])  # libpq heeds it
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))
        done.append(f"set the password of {role}")


def iterations(verifier: str) -> int:
    """Return how often the digest of a SCRAM-SHA-256 verifier has to be worked out."""
    return int(verifier.split("$")[1].split(":")[0])


def matches(password: str, verifier: str) -> bool:
    """Say whether a SCRAM-SHA-256 verifier, as PostgreSQL stores it, is that of an ASCII password (RFC 5802, 7677)."""
    try:
        kind, rest, keys = verifier.split("$", 2)
        iterations, salt = rest.split(":")
        stored_key = keys.split(":")[0]
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    except ValueError:
        return False
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return kind == "SCRAM-SHA-256" and hmac.compare_digest(
        base64.b64encode(hashlib.sha256(client_key).digest()).decode(), stored_key
    )
