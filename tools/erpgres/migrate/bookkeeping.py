"""The tables in schema `ops` that remember what was applied: versions (pgmigrate's), files and their objects."""

from __future__ import annotations

from typing import Any

import pgmigrate
from psycopg import sql

from erpgres.errors import CannotRun
from erpgres.migrate.session import NO_PRIVILEGE, MigrationCursor, Session, StatementFailed

SCHEMA = "ops"
OWNER = "owner"

_MIGRATION_FILE = """
create table ops.migration_file (
  version bigint constraint migration_file_pkey primary key,
  sha256 text not null constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$')
);
comment on table ops.migration_file is 'Text of each migration as it was applied, so that a later change is noticed.';
comment on column ops.migration_file.version is 'Number of the migration file.';
comment on column ops.migration_file.sha256 is 'Digest of the text that was applied.';
"""

_TABLES = """
create table ops.repeatable_file (
  path text constraint repeatable_file_pkey primary key,
  sha256 text not null constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz not null default now()
);
comment on table ops.repeatable_file is
  'Repeatable files (functions, views, policies, reference data) as last applied by erpgres migrate.';
comment on column ops.repeatable_file.path is 'Path in the repository.';
comment on column ops.repeatable_file.sha256 is 'Digest of the text that was applied.';
comment on column ops.repeatable_file.applied_at is 'When it was applied.';
create table ops.repeatable_object (
  kind text not null,
  identity text not null,
  path text not null constraint made_by_a_file references ops.repeatable_file (path) on delete cascade,
  fingerprint text not null,
  constraint repeatable_object_pkey primary key (kind, identity)
);
create index repeatable_object_path_idx on ops.repeatable_object (path);
comment on table ops.repeatable_object is 'Objects that the repeatable files made, so that removed ones are dropped.';
comment on column ops.repeatable_object.kind is
  'function, view, type or trigger; access: policies and grants of a table; schema: grants of a schema.';
comment on column ops.repeatable_object.identity is 'Qualified name, with argument types for a function.';
comment on column ops.repeatable_object.path is 'The file that made it.';
comment on column ops.repeatable_object.fingerprint is
  'Digest of its definition and privileges in the catalog after it was made; a different one is drift.';
"""

_VERSION_COMMENTS = """
comment on table ops.schema_version is 'Migrations applied to this database, kept by yandex-pgmigrate.';
comment on column ops.schema_version.version is 'Number of the migration file.';
comment on column ops.schema_version.description is 'Name of the migration file, without number.';
comment on column ops.schema_version.type is 'auto: applied by the runner; manual: a forced baseline.';
comment on column ops.schema_version.installed_by is 'Session user of the run.';
comment on column ops.schema_version.installed_on is 'Start of its transaction, in the time zone of the session.';
comment on type ops.schema_version_type is 'How a migration came into ops.schema_version.';
"""


def become_owner(session: Session) -> None:
    """Switch the transaction to the role that owns everything."""
    if not session.value("select exists (select from pg_roles where rolname = %s)", [OWNER]):
        raise CannotRun(f"there is no role {OWNER} in this cluster", "sql/cluster was not applied: erpgres up")
    try:
        session.execute(sql.SQL("set local role {}").format(sql.Identifier(OWNER)))
    except StatementFailed as error:
        if error.sqlstate != NO_PRIVILEGE:
            raise
        user = session.connection.info.user
        raise CannotRun(f"{user} may not become {OWNER}", "connect as migrator, or as another member of it") from None


def has_tables(session: Session) -> bool:
    """Say whether the bookkeeping exists."""
    return bool(session.value("select to_regclass('ops.repeatable_object') is not null"))


def create(session: Session) -> None:
    """Make the schema and its bookkeeping tables, as the owner, if they are missing."""
    if not session.value("select to_regnamespace(%s) is not null", [SCHEMA]):
        session.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
    if not session.value("select to_regclass('ops.schema_version') is not null"):
        pgmigrate._init_schema(SCHEMA, MigrationCursor(session))
        session.execute(_VERSION_COMMENTS)
    if not session.value("select to_regclass('ops.migration_file') is not null"):
        session.execute(_MIGRATION_FILE)
    if not has_tables(session):
        session.execute(_TABLES)


def applied_versions(session: Session) -> dict[int, str]:
    """Return {version: description} of the migrations in the database."""
    if not session.value("select to_regclass('ops.schema_version') is not null"):
        return {}
    return {int(row[0]): str(row[1]) for row in session.rows("select version, description from ops.schema_version")}


def recorded_files(session: Session) -> dict[str, str]:
    """Return {path: sha256} of the repeatable files as applied."""
    return dict(_pairs(session.rows("select path, sha256 from ops.repeatable_file")))


def recorded_objects(session: Session) -> dict[tuple[str, str], tuple[str, str]]:
    """Return {(kind, identity): (path, fingerprint)} of the objects that files made."""
    rows = session.rows("select kind, identity, path, fingerprint from ops.repeatable_object")
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def migration_digests(session: Session) -> dict[int, str]:
    """Return {version: sha256} of the migrations as they were applied."""
    if not session.value("select to_regclass('ops.migration_file') is not null"):
        return {}
    return {int(row[0]): str(row[1]) for row in session.rows("select version, sha256 from ops.migration_file")}


def record_migration(session: Session, version: int, sha256: str) -> None:
    """Remember the text of an applied migration."""
    session.execute(
        "insert into ops.migration_file (version, sha256) values (%s, %s)"
        " on conflict (version) do update set sha256 = excluded.sha256",
        [version, sha256],
    )


def _pairs(rows: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows]


def record_file(session: Session, path: str, sha256: str) -> None:
    """Remember that a file was applied."""
    session.execute(
        "insert into ops.repeatable_file (path, sha256) values (%s, %s)"
        " on conflict (path) do update set sha256 = excluded.sha256, applied_at = now()",
        [path, sha256],
    )


def record_objects(session: Session, objects: dict[tuple[str, str], tuple[str, str]]) -> None:
    """Make the recorded objects equal to those given."""
    before = recorded_objects(session)
    gone = [key for key in before if key not in objects]
    new = [(*key, *value) for key, value in objects.items() if before.get(key) != value]
    if gone:
        session.execute(
            "delete from ops.repeatable_object o using unnest(%s::text[], %s::text[]) g (kind, identity)"
            " where o.kind = g.kind and o.identity = g.identity",
            [[key[0] for key in gone], [key[1] for key in gone]],
        )
    if new:
        columns = [list(column) for column in zip(*new, strict=True)]
        session.execute(
            "insert into ops.repeatable_object (kind, identity, path, fingerprint)"
            " select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
            " on conflict (kind, identity) do update set path = excluded.path, fingerprint = excluded.fingerprint",
            columns,
        )


def forget_files(session: Session, paths: list[str]) -> None:
    """Forget files that are gone, with the objects recorded for them."""
    if paths:
        session.execute("delete from ops.repeatable_file where path = any (%s::text[])", [paths])
