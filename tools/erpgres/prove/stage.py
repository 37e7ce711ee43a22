"""Where the proof plays: a database of its own on the stack's cluster, its clones, and PostgREST and a gateway over it.

Nothing here touches the live database: mutations and writes happen in the scratch database and are rolled back there.
That what is proved is what runs is shown by `differences`: the live schema, as text, must equal the scratch one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

# The proof asks faster than any user may; its own gateway counts, but never to the end.
RATES = {f"ERPGRES_RATE_{tier}": "99999r/s burst 99999" for tier in ("USER", "ADDRESS", "SIGN_IN", "BULK")}

# Helpers that ask inside a role's session. Each attempt is rolled back by itself and says what became of it.
HELPERS = """
create schema prove;
grant usage on schema prove to public;

create function prove.attempt(statements text[]) returns text[] language plpgsql as $$
declare
  v_statement text;
  v_rows bigint;
  v_found text[] := '{}';
begin
  foreach v_statement in array statements loop
    begin
      execute v_statement;
      get diagnostics v_rows = row_count;
      raise exception using errcode = 'PRV00', message = 'ok ' || v_rows;
    exception
      when sqlstate 'PRV00' then v_found := v_found || sqlerrm;
      when others then
        v_found := v_found || (sqlstate || case
          when sqlstate <> '42501' then ''
          when sqlerrm like '%row-level security%' then ' policy'
          when sqlerrm like '%for schema%' then ' schema'
          when sqlerrm like 'permission denied to set role%' then ' role'
          else ' right'
        end);
    end;
  end loop;
  return v_found;
end
$$;

create function prove.rows(query text) returns text language plpgsql as $$
declare
  v_found text;
begin
  execute format(
    'select count(*) || '' '' || coalesce(md5(string_agg(h, '','' order by h collate "C")), '''') '
    'from (select md5(q::text) as h from (%s) as q) as r', query
  ) into v_found;
  return v_found;
exception
  when insufficient_privilege then return '42501';
end
$$;

-- What a table is asked, so that a session asks all of them with one question.
create table prove.probe (
  name text primary key,
  number integer not null,
  is_partition boolean not null,
  query text not null,
  update text not null,
  delete text not null,
  insert text[] not null,
  move text[] not null
);
grant select on prove.probe to public;

-- A blind UPDATE that reaches no row reaches none with other values: those are not tried one by one.
create function prove.reach(probe prove.probe) returns text[] language plpgsql as $$
declare
  v_update text[] := prove.attempt(array[probe.update]);
begin
  return v_update || prove.attempt(probe.delete || probe.insert) || case
    when v_update[1] = 'ok 0' then array_fill('ok 0'::text, array[cardinality(probe.move)])
    else prove.attempt(probe.move)
  end;
end
$$;

grant execute on all functions in schema prove to public;
"""


def superuser(dsn: str) -> Connection:
    """Connect in autocommit as somebody whom nothing binds. Raises CannotRun for anybody else."""
    connection = database.connect(dsn, autocommit=True)
    if connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
        connection.close()
        raise CannotRun(
            "the proof needs a superuser, who can act as every role", "use a local stack, or a URL of a superuser"
        )
    return connection


@contextmanager
def scratch(state: State, progress: Progress, template: str | None = None) -> Iterator[str]:
    """Make a migrated database with the proof's helpers; gives its name, and drops it and its clones in the end.

    `template`: a database of the cluster without rows to begin with; what it lacks is migrated.
    """
    from erpgres.migrate import cluster, runner

    name = f"prove_{uuid.uuid4().hex[:8]}"
    progress(f"making the database {name}")
    superuser(state.dsn("postgres")).close()
    try:
        if template:
            _copy(state, template, name)
        cluster.apply(state.dsn("postgres"), state.secret, name)
        runner.migrate(state.dsn("migrator", name))
        with superuser(state.dsn("postgres", name)) as connection:
            connection.execute(HELPERS)
        yield name
    finally:
        with database.connect(state.dsn("postgres"), autocommit=True) as connection:
            found = connection.execute("select datname from pg_database where datname ~ %s", [f"^{name}(_|$)"])
            for (database_name,) in found.fetchall():
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database_name)))
            _sweep(connection)


@contextmanager
def analysts(state: State, name: str, logins: list[str]) -> Iterator[None]:
    """Have roles for the analysts of the proof, who cannot log in; roles are the cluster's, so their names are ours."""
    try:
        with superuser(state.dsn("postgres", name)) as connection:
            for login in logins:
                connection.execute(sql.SQL("create role {} nologin in role analyst").format(sql.Identifier(login)))
        yield
    finally:
        with superuser(state.dsn("postgres", name)) as connection:
            for login in logins:
                connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(login)))


def _sweep(connection: Connection) -> None:
    """Drop the roles of proofs that were killed: their database is gone."""
    found = connection.execute(
        "select rolname from pg_roles where rolname ~ '^prove_[0-9a-f]{8}_' "
        "and not exists (select from pg_database where datname = substr(rolname, 1, 14))"
    )
    for (login,) in found.fetchall():
        connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(login)))


def clone(state: State, name: str, number: int) -> str:
    """Clone the scratch database, to which nobody may be connected; returns the clone's name."""
    made = f"{name}_{number}"
    _copy(state, name, made)
    return made


def _copy(state: State, template: str, name: str) -> None:
    with database.connect(state.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


@contextmanager
def serve(state: State, name: str, progress: Progress) -> Iterator[State]:
    """Run PostgREST and a gateway over the database, configured as in the running stack but for the limits."""
    from erpgres.stack import lifecycle

    place = Path(tempfile.mkdtemp(prefix="erpgres-prove-"))
    place.chmod(0o711)
    own = State(place / "state")
    try:
        own.path.mkdir(mode=0o711)
        (own.path / "secrets").mkdir(mode=0o700)
        for secret in state.secrets.glob("password.*"):  # the roles are the cluster's, and keep their passwords
            shutil.copy2(secret, own.path / "secrets" / secret.name)
        own.database_url = state.dsn("postgres", name)
        own.port = _free_port()
        own.api_pool = 8
        own.is_api_only = True  # nothing may happen by itself while rows are counted
        own.save()
        with _environment(RATES):
            lifecycle.up(own, lifecycle.Asked(), lambda _: None)
        progress(f"asking through {own.url}")
        yield own
    finally:
        with contextlib.suppress(OSError):
            lifecycle.down(own)
        shutil.rmtree(place, ignore_errors=True)


def cut_off(state: State, own: State, name: str) -> None:
    """End the proof's stack and its sessions in the scratch databases, so that whoever still asks fails at once."""
    from erpgres.stack import lifecycle

    with contextlib.suppress(OSError):
        lifecycle.down(own)
    with database.connect(state.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname ~ %s", [f"^{name}(_|$)"]
        )


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _free_port() -> int:
    """Return the first of four free ports in a row."""
    for port in range(30000 + os.getpid() % 2000 * 4, 60000, 4):
        try:
            for offset in range(4):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise CannotRun("there are no four free ports in a row")


def differences(state: State, name: str) -> str:
    """Return how the running database's schema differs from the proved one, as a diff; empty when they are equal."""
    from erpgres.migrate import snapshot

    proved = snapshot.dump(state.dsn("migrator", name), state.bindir)
    running = snapshot.dump(state.dsn("migrator"), state.bindir)
    return snapshot.difference(proved, running)
