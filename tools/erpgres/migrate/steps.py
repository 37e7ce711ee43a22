"""A migration in several transactions: its steps, what each may wait for, and how it goes on after it was cut off.

A file with NONTRANSACTIONAL in its name is divided by what its statements are. A statement that PostgreSQL runs outside
a transaction only stands alone, and so does one that looks at rows (VALIDATE, DML): no lock that keeps requests waiting
is held while it does. What is between them takes an instant and is one transaction.

`ops.migration_step` says which steps are done. A step and its row are one transaction; what cannot be in one is written
so that doing it again finds it done (`indexes`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pglast import ast, enums
from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate import backfill, bookkeeping, indexes, references
from erpgres.migrate.session import Session, StatementFailed, quoted, refuse_rows
from erpgres.migrate.sqlfile import Statement

INSTANT, ROWS, OUTSIDE, CHECK = "instant", "rows", "outside", "check"
_LOOKS_AT_ROWS = {
    enums.AlterTableType.AT_ValidateConstraint,
    enums.AlterTableType.AT_AttachPartition,
    enums.AlterTableType.AT_SetTableSpace,
}
_DML = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.SelectStmt, ast.CopyStmt, ast.CallStmt)

Progress = Callable[[str], None]


@dataclass
class Step:
    """Statements that are done together; `number` counts from 1."""

    kind: str
    number: int
    statements: list[Statement] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        """Digest of its text."""
        return hashlib.sha256("\0".join(self.statements).encode()).hexdigest()

    @property
    def place(self) -> str:
        """Where it begins."""
        return f"{self.statements[0].path} line {self.statements[0].line}"


def kind_of(statement: Statement) -> str:
    """Say how a statement has to be run."""
    node = statement.node
    if statement.is_check:
        return CHECK
    if _runs_outside(node):
        return OUTSIDE
    if isinstance(node, ast.AlterTableStmt) and any(command.subtype in _LOOKS_AT_ROWS for command in node.cmds or ()):
        return ROWS
    # A row of ops.backfill is an order, given together with the column and the trigger that it belongs to.
    if isinstance(node, ast.InsertStmt) and (node.relation.schemaname, node.relation.relname) == backfill.TABLE:
        return INSTANT
    return ROWS if isinstance(node, _DML) else INSTANT


def _runs_outside(node: Any) -> bool:
    if isinstance(node, ast.IndexStmt | ast.DropStmt):
        return bool(node.concurrent)
    if isinstance(node, ast.ReindexStmt):
        return any(option.defname == "concurrently" for option in node.params or ())
    if isinstance(node, ast.AlterTableStmt):
        return any(
            isinstance(command.def_, ast.PartitionCmd) and command.def_.concurrent for command in node.cmds or ()
        )
    return isinstance(node, ast.VacuumStmt)


def divide(statements: list[Statement]) -> list[Step]:
    """Divide the statements of a migration into steps."""
    steps: list[Step] = []
    for statement in statements:
        kind = kind_of(statement)
        if kind in (INSTANT, CHECK) and steps and steps[-1].kind == kind:
            steps[-1].statements.append(statement)
        else:
            steps.append(Step(kind, len(steps) + 1, [statement]))
    return steps


def done(session: Session, version: int) -> dict[int, str]:
    """Return {number: digest} of the steps of a migration that are done. In a transaction, as owner."""
    if not session.value("select to_regclass('ops.migration_step') is not null"):
        return {}
    return dict(session.rows("select number, sha256 from ops.migration_step where version = %s", [version]))


def run(
    session: Session,
    version: int,
    statements: list[Statement],
    *,
    lock_timeout: float,
    progress: Progress,
) -> None:
    """Do the steps that are not done. Needs a session outside a transaction; each step becomes owner for itself.

    `lock_timeout`: seconds that a lock is waited for that requests would have to wait behind. Raises StatementFailed
    when one is not to be had in that time (try again: what is done stays done), Refused when a done step was changed.
    """
    steps = divide(statements)
    with session.transaction(rollback=True):
        bookkeeping.become_owner(session)
        before = done(session, version)
    for step in steps:
        if before.get(step.number, step.sha256) != step.sha256:
            raise Refused(
                f"{step.place}: step {step.number} was changed after it was done",
                "put its text back; the steps after the last that is done may be changed",
            )
    beyond = [number for number in before if number > len(steps)]
    if beyond:
        raise Refused(f"{statements[0].path}: step {beyond[0]} was done and is no longer in the file")
    for step in steps:
        if step.number in before:
            continue
        progress(f"step {step.number} of {len(steps)}: {_title(step)}")
        if step.kind == OUTSIDE:
            _run_outside(session, version, step, progress)
        else:
            _run_inside(session, version, step, lock_timeout)
        progress(f"step {step.number} of {len(steps)} is done")


def forget(session: Session, version: int) -> None:
    """Remove the notes of a migration that is complete."""
    session.execute("delete from ops.migration_step where version = %s", [version])


def _note(session: Session, version: int, step: Step) -> None:
    session.execute(
        "insert into ops.migration_step (version, number, sha256) values (%s, %s, %s)",
        [version, step.number, step.sha256],
    )


def _run_inside(session: Session, version: int, step: Step, lock_timeout: float) -> None:
    with session.transaction(promptly=True):
        bookkeeping.become_owner(session)
        if step.kind == CHECK:
            for statement in step.statements:
                check(session, statement)
        else:
            if step.kind == INSTANT:
                hold_off_maintenance(session, step.statements)
            with session.patience(lock_timeout):
                for statement in step.statements:
                    with references.looking(session, statement):
                        session.execute(statement)
                    references.prove(session, statement)
        _note(session, version, step)


def _run_outside(session: Session, version: int, step: Step, progress: Progress) -> None:
    statement = step.statements[0]
    session.execute(sql.SQL("set role {}").format(sql.Identifier(bookkeeping.OWNER)))
    try:
        # These wait for other transactions, and nobody has to wait behind them: they lock no more than VACUUM does.
        session.execute("set lock_timeout = 0")
        if isinstance(statement.node, ast.IndexStmt):
            indexes.build(session, statement, progress)
        elif isinstance(statement.node, ast.DropStmt):
            indexes.drop(session, statement)
        elif isinstance(statement.node, ast.AlterTableStmt):
            _detach(session, statement)
        else:
            session.execute(statement)
        with session.transaction():
            _note(session, version, step)
    finally:
        if not session.connection.closed:
            session.execute("reset role")
            session.execute("reset lock_timeout")


def _detach(session: Session, statement: Statement) -> None:
    """Detach a partition concurrently, or finish what was cut off, or see that it is done."""
    node = statement.node
    parent, child = names_of(node.relation), names_of(node.cmds[0].def_.name)
    found = session.rows(
        "select inhdetachpending from pg_inherits where inhparent = to_regclass(%s) and inhrelid = to_regclass(%s)",
        [parent, child],
    )
    if found == [(True,)]:
        session.execute(sql.SQL("alter table {} detach partition {} finalize").format(quoted(parent), quoted(child)))
    elif found or session.value("select to_regclass(%s) is null", [child]):
        session.execute(statement)


def names_of(relation: Any) -> str:
    """Return the name of a relation in a parse tree, quoted."""
    parts = [part for part in (relation.schemaname, relation.relname) if part]
    return ".".join(sql.Identifier(part).as_string(None) for part in parts)


def check(session: Session, statement: Statement) -> None:
    """Run a data pre-check over the rows of all organisations; raises Refused with the rows that it returns.

    The owner is bound by row level security and sees the rows of no organisation: what he would see is asked of him
    first without it, which fails where it matters, and then of the session's user, who sees all.
    """
    try:
        with session.savepoint():
            session.rows("select set_config('row_security', 'off', true)")
            refuse_rows(statement, *session.table(statement))
            session.rows("select set_config('row_security', 'on', true)")
    except StatementFailed as error:
        if error.sqlstate != "42501":
            raise
        with session.as_user():
            refuse_rows(statement, *session.table(statement))


def hold_off_maintenance(session: Session, statements: list[Statement]) -> None:
    """Take the lock that VACUUM and ANALYZE take, on the tables that are about to be altered.

    It keeps no request waiting, and autovacuum gives way to who waits for it for a second. A short wait for the real
    lock would never see that second.
    """
    names = list(dict.fromkeys(name for statement in statements for name in _altered(statement.node)))
    there = [name for name in names if session.value(
        "select relkind in ('r', 'p') from pg_class where oid = to_regclass(%s)", [name])]  # fmt: skip
    if there:
        session.rows("select set_config('lock_timeout', '5s', true)")
        tables = sql.SQL(", ").join(map(quoted, there))
        session.execute(sql.SQL("lock table {} in share update exclusive mode").format(tables))


def _altered(node: Any) -> list[str]:
    if isinstance(node, ast.AlterTableStmt | ast.CreateTrigStmt | ast.RenameStmt | ast.IndexStmt) and node.relation:
        return [names_of(node.relation)]
    if isinstance(node, ast.CreatePolicyStmt | ast.AlterPolicyStmt):
        return [names_of(node.table)]
    if isinstance(node, ast.DropStmt) and node.removeType == enums.ObjectType.OBJECT_TABLE:
        return [".".join(sql.Identifier(part.sval).as_string(None) for part in item) for item in node.objects]
    return []


def _title(step: Step) -> str:
    first = re.sub(r"\s+", " ", step.statements[0])
    more = f" (and {len(step.statements) - 1} more)" if len(step.statements) > 1 else ""
    return f"{first[:90]}{'…' if len(first) > 90 else ''}{more}"
