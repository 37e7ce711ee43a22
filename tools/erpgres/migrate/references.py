"""Foreign keys on tables under forced row level security: what the owner's validation does not see.

ADD and VALIDATE of a foreign key ask with a query of the table's owner. The policies bind him, he sees the rows of no
organisation, and a constraint with broken references is marked valid. So the question is asked again of the session's
user, whose policies show all rows, while the constraint, valid or not, already holds for new rows.
"""

from __future__ import annotations

from typing import Any

from pglast import ast, enums

from erpgres.errors import Refused
from erpgres.migrate.session import Session
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


def prove(session: Session, statement: Statement) -> None:
    """Raise Refused when a foreign key that the statement made or validated is broken by a row. In a transaction."""
    node = statement.node
    if not isinstance(node, ast.AlterTableStmt) or node.relation is None:
        return
    if not any(command.subtype in _CONSTRAINTS for command in node.cmds or ()):
        return
    table = ".".join(f'"{part}"' for part in (node.relation.schemaname, node.relation.relname) if part)
    found: list[tuple[Any, ...]] = session.rows(_QUERIES, {"table": table})
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
