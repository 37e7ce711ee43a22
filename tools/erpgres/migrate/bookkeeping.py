"""The tables in schema `ops` that remember what was applied: versions (pgmigrate's), files and their objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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

_STEPS = """
create table ops.migration_step (
  version bigint not null,
  number smallint not null,
  sha256 text not null constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$'),
  done_at timestamptz not null default now(),
  constraint migration_step_pkey primary key (version, number)
);
comment on table ops.migration_step is
  'Steps that are done of a migration that is not complete: where the next run of erpgres migrate goes on.';
comment on column ops.migration_step.version is 'Number of the migration file.';
comment on column ops.migration_step.number is 'The step, counted from 1.';
comment on column ops.migration_step.sha256 is 'Digest of its statements.';
comment on column ops.migration_step.done_at is 'When it was done.';
"""

_BACKFILL = r"""
create table ops.backfill (
  name text constraint backfill_pkey primary key,
  table_name text not null,
  statement text not null,
  remaining text,
  state text not null default 'PENDING',
  last_key jsonb,
  rows_done bigint not null default 0,
  batches bigint not null default 0,
  ordered_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  error text,
  constraint name_is_plain check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint statement_has_batch check (statement ~ '[{]batch[}]'),
  constraint state_known check (state in ('PENDING', 'PAUSED', 'CANCELLED', 'DONE')),
  constraint finished_when_done check ((finished_at is not null) = (state = 'DONE'))
);
comment on table ops.backfill is
  'Back-fills that migrations ordered: rows brought to a new form in batches, by erpgres migrate backfill.';
comment on column ops.backfill.name is 'What a later migration names in its header as -- backfill:';
comment on column ops.backfill.table_name is 'The table whose rows are gone through, in the order of its primary key.';
comment on column ops.backfill.statement is
  'What is done to a batch: {batch} is the condition on the table''s alias t.';
comment on column ops.backfill.remaining is
  'Query of the rows that are not in the new form; none may be left at the end.';
comment on column ops.backfill.last_key is 'The primary key of the last row that is done.';
comment on column ops.backfill.ordered_at is 'When the migration ran.';
"""

_SCHEMA_CACHE = """
create table ops.schema_cache (
  reader text constraint schema_cache_pkey primary key,
  sha256 text not null constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$'),
  told_at timestamptz not null default now()
);
comment on table ops.schema_cache is
  'What PostgREST was last told to look at again: erpgres migrate tells it when that changes.';
comment on column ops.schema_cache.reader is 'Who keeps it: postgrest.';
comment on column ops.schema_cache.sha256 is 'Digest of what the catalog has of it.';
comment on column ops.schema_cache.told_at is 'When it was told.';
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
    for table, text in (("migration_step", _STEPS), ("backfill", _BACKFILL), ("schema_cache", _SCHEMA_CACHE)):
        if not session.value("select to_regclass(%s) is not null", [f"{SCHEMA}.{table}"]):
            session.execute(text)
    if not has_tables(session):
        session.execute(_TABLES)


@contextmanager
def as_owner(session: Session) -> Iterator[None]:
    """Be the owner for a part of a transaction whose rest is done by the session's user."""
    session.execute(sql.SQL("set local role {}").format(sql.Identifier(OWNER)))
    yield
    session.execute("set local role none")


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


def record_schema_cache(session: Session, sha256: str) -> bool:
    """Remember what PostgREST was told of; say whether that is new."""
    told = session.execute(
        "insert into ops.schema_cache as c (reader, sha256) values ('postgrest', %s) on conflict (reader)"
        " do update set sha256 = excluded.sha256, told_at = now() where c.sha256 <> excluded.sha256",
        [sha256],
    )
    return told > 0


def recorded_schema_cache(session: Session) -> str | None:
    """Return what PostgREST was told of."""
    if not session.value("select to_regclass('ops.schema_cache') is not null"):
        return None
    found = session.rows("select sha256 from ops.schema_cache where reader = 'postgrest'")
    return str(found[0][0]) if found else None


def forget_files(session: Session, paths: list[str]) -> None:
    """Forget files that are gone, with the objects recorded for them."""
    if paths:
        session.execute("delete from ops.repeatable_file where path = any (%s::text[])", [paths])
