"""Foreign keys on tables under forced row level security: what the owner's validation does not see.

ADD and VALIDATE of a foreign key ask with a query of the table's owner. The policies bind him, he sees the rows of no
organisation, and a constraint with broken references is marked valid. So the question is asked again of the session's
user, whose policies show all rows, while the constraint, valid or not, already holds for new rows.

Where the referencing rows are in a table without row level security of its own, and every partition is one, the owner
sees them and none of the rows that they refer to: the query finds all of them broken. PostgreSQL then has to look row
by row, with the check that it makes of a new row; it does so when the owner may not read the referencing table: see
`looking`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pglast import ast, enums
from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate.session import Session, quoted
from erpgres.migrate.sqlfile import Statement

_CONSTRAINTS = {enums.AlterTableType.AT_AddConstraint, enums.AlterTableType.AT_ValidateConstraint,
                enums.AlterTableType.AT_AddColumn}  # fmt: skip

# The query that finds a row without its referenced one, for each valid foreign key of a table under forced row level
# security. Only keys of this transaction: an older valid one was proved by its own migration.
_QUERIES = """
select k.conname, c.oid::regclass::text,
       format(
         'select %%s from %%s c where %%s and not exists (select from %%s p where %%s) limit 5',
         (select string_agg(format('c.%%I', a.attname), ', ' order by x.n)
            from unnest(k.conkey) with ordinality x (num, n)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.num),
         k.conrelid::regclass,
         (select string_agg(format('c.%%I is not null', a.attname), ' and ') from unnest(k.conkey) x (num)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.num),
         k.confrelid::regclass,
         (select string_agg(format('p.%%I = c.%%I', f.attname, a.attname), ' and ')
            from unnest(k.conkey, k.confkey) x (num, fnum)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.num
            join pg_attribute f on f.attrelid = k.confrelid and f.attnum = x.fnum)),
       has_table_privilege(session_user, k.conrelid, 'select')
         and has_table_privilege(session_user, k.confrelid, 'select'),
       pg_relation_size(k.conrelid) = 0
         and not exists (select from pg_partition_tree(k.conrelid) t where pg_relation_size(t.relid) > 0)
  from pg_constraint k
  join pg_class c on c.oid = k.conrelid
 where k.conrelid = to_regclass(%(table)s)
   and k.contype = 'f' and k.convalidated and k.conparentid = 0
   and k.xmin = pg_current_xact_id()::xid
   and c.relforcerowsecurity
"""


# Tables with rows and without row level security, of a table that refers to one which forces it upon its owner.
_UNBOUND = """
select c.oid::regclass::text
  from pg_class c
 where c.oid in (
     select t.relid from pg_partition_tree(to_regclass(coalesce(%(attached)s, %(table)s))) t
     union all select to_regclass(coalesce(%(attached)s, %(table)s)))
   and c.relkind = 'r' and not c.relrowsecurity and pg_relation_size(c.oid) > 0
   and exists (
     select from pg_class p
      where p.relrowsecurity and p.relforcerowsecurity
        and (p.oid = to_regclass(%(referenced)s) or p.oid in (
          select k.confrelid from pg_constraint k
           where k.conrelid = to_regclass(%(table)s) and k.contype = 'f'
             and k.conname = coalesce(%(name)s, k.conname))))
"""


@contextmanager
def looking(session: Session, statement: Statement) -> Iterator[None]:
    """Let a statement that looks for broken references find those that are, and no others. In a transaction, as owner.

    The right to read that the owner gives up for the moment is seen by nobody else.
    """
    tables = [name for (name,) in _unbound(session, statement)]
    for name in tables:
        session.execute(sql.SQL("revoke select on {} from current_user").format(quoted(name)))
    yield
    for name in tables:
        session.execute(sql.SQL("grant select on {} to current_user").format(quoted(name)))


def _unbound(session: Session, statement: Statement) -> list[tuple[Any, ...]]:
    node = statement.node
    if not isinstance(node, ast.AlterTableStmt) or node.relation is None:
        return []
    found: list[tuple[Any, ...]] = []
    asked: dict[str, str | None] = {"table": _name(node.relation), "attached": None, "referenced": None, "name": None}
    for command in node.cmds or ():
        if command.subtype == enums.AlterTableType.AT_ValidateConstraint:
            found += session.rows(_UNBOUND, {**asked, "name": command.name})
        elif command.subtype == enums.AlterTableType.AT_AttachPartition:
            found += session.rows(_UNBOUND, {**asked, "attached": _name(command.def_.name)})
        elif (
            command.subtype == enums.AlterTableType.AT_AddConstraint
            and command.def_.contype == enums.ConstrType.CONSTR_FOREIGN
            and not command.def_.skip_validation
        ):
            found += session.rows(_UNBOUND, {**asked, "referenced": _name(command.def_.pktable), "name": ""})
    return found


def _name(relation: Any) -> str:
    return ".".join(f'"{part}"' for part in (relation.schemaname, relation.relname) if part)


def prove(session: Session, statement: Statement) -> None:
    """Raise Refused when a foreign key that the statement made or validated is broken by a row. In a transaction."""
    node = statement.node
    if not isinstance(node, ast.AlterTableStmt) or node.relation is None:
        return
    if not any(command.subtype in _CONSTRAINTS for command in node.cmds or ()):
        return
    found: list[tuple[Any, ...]] = session.rows(_QUERIES, {"table": _name(node.relation)})
    for name, shown, query, may_look, is_empty in found:
        if is_empty:
            continue
        if not may_look:
            raise Refused(
                f"{statement.path} line {statement.line}: nobody can see whether rows of {shown} break {name}",
                "row level security binds the owner, and the user of this session has no grant to read both tables",
            )
        with session.as_user():
            rows = session.rows(query)
        if rows:
            values = "; ".join(", ".join(str(value) for value in row) for row in rows)
            raise Refused(
                f"{statement.path} line {statement.line}: rows of {shown} break {name}: nothing has the key {values}",
                "repair the rows, then migrate again",
            )
