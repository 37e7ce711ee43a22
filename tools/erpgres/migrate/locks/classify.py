"""Says of which kinds of the lock table a statement is, from its parse tree.

Where the text does not tell (a type that is only wider, a constraint that proves another), all kinds that it can be are
given: what was measured must agree with one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pglast import ast, enums
from pglast.visitors import Visitor

AT = enums.AlterTableType
CT = enums.ConstrType
OT = enums.ObjectType

Name = tuple[str, str]

_SIMPLE = {
    AT.AT_DropColumn: ("drop_column",),
    AT.AT_ColumnDefault: ("set_default",),
    AT.AT_SetNotNull: ("set_not_null", "set_not_null_proven"),
    AT.AT_DropNotNull: ("drop_not_null",),
    AT.AT_ValidateConstraint: ("validate_check", "validate_foreign_key", "validate_not_null"),
    AT.AT_DropConstraint: ("drop_check", "drop_unique", "drop_foreign_key"),
    AT.AT_AlterColumnType: ("type_wider", "type_other"),
    AT.AT_SetStatistics: ("set_statistics",),
    AT.AT_SetStorage: ("set_storage",),
    AT.AT_SetCompression: ("set_storage",),
    AT.AT_SetRelOptions: ("set_fillfactor",),
    AT.AT_ResetRelOptions: ("set_fillfactor",),
    AT.AT_SetLogged: ("set_logged",),
    AT.AT_SetUnLogged: ("set_logged",),
    AT.AT_ReplicaIdentity: ("replica_identity",),
    AT.AT_ChangeOwner: ("owner_to",),
    AT.AT_AttachPartition: ("attach_partition", "attach_partition_proven", "attach_partition_beside_default"),
    AT.AT_EnableRowSecurity: ("row_security",),
    AT.AT_DisableRowSecurity: ("row_security",),
    AT.AT_ForceRowSecurity: ("row_security",),
    AT.AT_NoForceRowSecurity: ("row_security",),
    AT.AT_EnableTrig: ("disable_trigger",),
    AT.AT_DisableTrig: ("disable_trigger",),
    AT.AT_EnableTrigUser: ("disable_trigger",),
    AT.AT_DisableTrigUser: ("disable_trigger",),
}
_CONSTRAINTS = {
    CT.CONSTR_CHECK: ("add_check",),
    CT.CONSTR_NOTNULL: ("set_not_null", "set_not_null_proven"),
    CT.CONSTR_FOREIGN: ("add_foreign_key",),
    CT.CONSTR_PRIMARY: ("add_unique",),
    CT.CONSTR_UNIQUE: ("add_unique",),
    CT.CONSTR_EXCLUSION: ("add_exclude",),
}
_DROPS = {
    OT.OBJECT_TABLE: ("drop_table", "drop_table_child"),
    OT.OBJECT_TRIGGER: ("drop_trigger",),
    OT.OBJECT_POLICY: ("create_policy",),
    OT.OBJECT_VIEW: ("drop_view",),
}
_RENAMES = {
    OT.OBJECT_TABLE: "rename_table", OT.OBJECT_COLUMN: "rename_column", OT.OBJECT_TABCONSTRAINT: "rename_constraint",
    OT.OBJECT_INDEX: "rename_index",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A part of a statement: the table it names (None for an index that is named alone) and the kinds it can be."""

    table: Name | None
    kinds: tuple[str, ...]


def name_of(relation: Any) -> Name:
    """Return (schema, name) of a RangeVar; the schema is public when it is not said."""
    return relation.schemaname or "public", relation.relname


def classify(node: Any) -> list[Found]:
    """Return the parts of a statement; nothing for one that the lock table does not know."""
    if isinstance(node, ast.AlterTableStmt):
        return _alter_table(node)
    if isinstance(node, ast.IndexStmt):
        return [Found(name_of(node.relation), _index(node))]
    if isinstance(node, ast.DropStmt):
        return _drop(node)
    if isinstance(node, ast.RenameStmt):
        kind = _RENAMES.get(node.renameType)
        named = name_of(node.relation) if node.relation is not None else None
        return [Found(None if kind == "rename_index" else named, (kind,))] if kind else []
    if isinstance(node, ast.CreateStmt):
        return _create(node)
    return _other(node)


def _other(node: Any) -> list[Found]:
    if isinstance(node, ast.TruncateStmt):
        return [Found(name_of(relation), ("truncate",)) for relation in node.relations]
    if isinstance(node, ast.CreateTrigStmt):
        return [Found(name_of(node.relation), ("create_trigger",))]
    if isinstance(node, ast.CreatePolicyStmt | ast.AlterPolicyStmt):
        return [Found(name_of(node.table), ("create_policy",))]
    if isinstance(node, ast.UpdateStmt | ast.DeleteStmt | ast.InsertStmt):
        names = {ast.UpdateStmt: "update", ast.DeleteStmt: "delete", ast.InsertStmt: "insert"}
        name = names[type(node)]
        if name == "insert" and node.selectStmt is not None and not node.selectStmt.valuesLists:
            name = "insert_select"
        return [Found(name_of(node.relation), (name,))]
    if isinstance(node, ast.AlterObjectSchemaStmt) and node.objectType == OT.OBJECT_TABLE:
        return [Found(name_of(node.relation), ("set_schema",))]
    if isinstance(node, ast.CreateStatsStmt) and node.relations:
        return [Found(name_of(relation), ("create_statistics",)) for relation in node.relations]
    if isinstance(node, ast.ReindexStmt) and node.relation is not None:
        concurrent = any(option.defname == "concurrently" for option in node.params or ())
        table = name_of(node.relation) if node.kind == enums.ReindexObjectType.REINDEX_OBJECT_TABLE else None
        return [Found(table, ("reindex_concurrently" if concurrent else "reindex",))]
    return []


def _alter_table(node: Any) -> list[Found]:
    table = name_of(node.relation)
    if node.objtype == OT.OBJECT_INDEX:
        is_attach = any(command.subtype == AT.AT_AttachPartition for command in node.cmds)
        return [Found(None, ("attach_index",))] if is_attach else []
    if node.objtype != OT.OBJECT_TABLE:
        return []
    found = []
    for command in node.cmds:
        if command.subtype == AT.AT_AddColumn:
            kinds = _add_column(command.def_)
        elif command.subtype == AT.AT_AddConstraint:
            kinds = _add_constraint(command.def_)
        elif command.subtype == AT.AT_DetachPartition:
            kinds = ("detach_partition_concurrently" if command.def_.concurrent else "detach_partition",)
        else:
            kinds = _SIMPLE.get(command.subtype, ())
        if kinds:
            found.append(Found(table, kinds))
    return found


def _add_column(column: Any) -> tuple[str, ...]:
    """Return what a new column can be; whether a default is volatile the parser cannot tell."""
    constraints = {constraint.contype: constraint for constraint in column.constraints or ()}
    if CT.CONSTR_GENERATED in constraints:
        stored = constraints[CT.CONSTR_GENERATED].generated_kind == "s"
        return ("add_column_stored",) if stored else ("add_column_virtual",)
    if CT.CONSTR_IDENTITY in constraints:
        return ("add_column_identity",)
    if CT.CONSTR_FOREIGN in constraints:
        return ("add_column_references",)
    if CT.CONSTR_CHECK in constraints:
        return ("add_column_check", "add_column_volatile", "add_column")
    if {CT.CONSTR_PRIMARY, CT.CONSTR_UNIQUE} & constraints.keys():
        return ("add_unique",)
    if CT.CONSTR_DEFAULT in constraints:
        return ("add_column_default", "add_column_volatile")
    return ("add_column",)


def _add_constraint(constraint: Any) -> tuple[str, ...]:
    kinds = _CONSTRAINTS.get(constraint.contype, ())
    if constraint.skip_validation:
        names = {
            CT.CONSTR_CHECK: "add_check_not_valid", CT.CONSTR_NOTNULL: "add_not_null_not_valid",
            CT.CONSTR_FOREIGN: "add_foreign_key_not_valid",
        }  # fmt: skip
        return (names[constraint.contype],)
    return ("add_unique_using_index",) if constraint.indexname else kinds


def _index(node: Any) -> tuple[str, ...]:
    if node.concurrent:
        return ("create_index_concurrently",)
    if node.relation.inh is False:
        return ("create_index_only", "create_index")
    return ("create_index", "create_index_partitioned")


def _drop(node: Any) -> list[Found]:
    if node.removeType == OT.OBJECT_INDEX:
        return [Found(None, ("drop_index_concurrently" if node.concurrent else "drop_index",))]
    kinds = _DROPS.get(node.removeType)
    if kinds is None:
        return []
    found = []
    for item in node.objects:
        parts = [part.sval for part in item]
        if node.removeType in (OT.OBJECT_TRIGGER, OT.OBJECT_POLICY):
            parts = parts[:-1]
        found.append(Found((parts[-2] if len(parts) > 1 else "public", parts[-1]), kinds))
    return found


def _create(node: Any) -> list[Found]:
    """Return what a new table does to others: the one that it is a partition of."""
    if node.partbound is not None:
        return [
            Found(name_of(parent), ("create_partition", "create_partition_beside_default"))
            for parent in node.inhRelations or ()
        ]
    return []


class _Tables(Visitor):  # type: ignore[misc]
    """Collects the tables that a statement names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[Name] = set()

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        """Note a name."""
        self.names.add(name_of(node))


def tables_of(node: Any) -> set[Name]:
    """Return (schema, name) of all tables that a statement names."""
    found = _Tables()
    found(node)
    return found.names


def concurrent_tables(node: Any) -> list[Name] | None:
    """Return the tables that a statement speaks of that cannot run in a transaction; None for one that can."""
    if isinstance(node, ast.IndexStmt) and node.concurrent:
        return [name_of(node.relation)]
    if isinstance(node, ast.DropStmt) and node.concurrent:
        return []
    if isinstance(node, ast.ReindexStmt) and any(option.defname == "concurrently" for option in node.params or ()):
        return [name_of(node.relation)] if node.relation is not None else []
    if isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            if command.subtype == AT.AT_DetachPartition and command.def_.concurrent:
                return [name_of(node.relation), name_of(command.def_.name)]
    if isinstance(node, ast.VacuumStmt):
        return [name_of(each.relation) for each in node.rels or () if each.relation is not None]
    return None
