"""How a difference is mended: a statement where there is one, else what to do.

What the repeatable layer made is made again by `erpgres migrate`; the rest says SQL that a DBA reads before he runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import sql

from erpgres.drift.compare import DIFFERS, EXTRA, MISSING, Difference
from erpgres.drift.surface import REFERENCE_ROW
from erpgres.migrate.catalog import REBUILT

MIGRATE = "erpgres migrate"
CLUSTER = "erpgres up -d (it applies sql/cluster), or with its administrator's rights: "
Recorded = dict[tuple[str, str], str]  # (kind, identity) of ops.repeatable_object: the file


def _text(value: Any) -> str:
    return "null" if value is None else sql.Literal(str(value)).as_string(None)


def _schema(identity: str) -> str:
    return identity.partition(".")[0]


def mend(difference: Difference, recorded: Recorded) -> str:
    """Return a statement that ends in a semicolon, a command, or a sentence."""
    fact = difference.fact
    if _is_of_the_layer(difference, recorded):
        return MIGRATE
    if fact.kind == "applied_migration":
        return _applied_migration(difference)
    if fact.kind == "applied_file":
        return MIGRATE
    if fact.kind == REFERENCE_ROW:
        return _reference_row(difference)
    if difference.change == MISSING:
        return _missing(difference)
    if difference.change == EXTRA:
        return _extra(difference)
    return _differs(difference)


def _is_of_the_layer(difference: Difference, recorded: Recorded) -> bool:
    """Say whether `erpgres migrate` sees the difference by itself and mends it."""
    fact, name = difference.fact, difference.name
    identity = fact.identity
    table, _, own = identity.rpartition(".")
    rebuilt = _schema(identity) in REBUILT
    if fact.kind in ("function", "view", "type"):
        if difference.change == EXTRA:
            return rebuilt
        return (fact.kind, identity) in recorded and name != "owner"
    if fact.kind == "trigger":
        return rebuilt if difference.change == EXTRA else ("trigger", f"{own} on {table}") in recorded
    if fact.kind == "policy":
        return ("access", table) in recorded and name != "comment"
    if fact.kind == "table":
        return name in ("grants", "row security") and ("access", identity) in recorded
    if fact.kind == "column":
        of_view = (fact.part_of or "").startswith("view ")
        return of_view or (name == "grants" and ("access", table) in recorded)
    if fact.kind == "schema":
        return name == "grants" and ("schema", identity) in recorded
    return False


def _applied_migration(difference: Difference) -> str:
    if difference.change == MISSING:
        return MIGRATE
    if difference.change == EXTRA:
        return "compare with the release that this database was migrated with"
    return "the text that was applied is another: put the released text back, correct the database by a new migration"


def _reference_row(difference: Difference) -> str:
    # The files are unchanged, so `migrate` does not load them again: the row is put right by itself.
    fact = difference.fact
    table = fact.properties["_table"]
    where = " and ".join(
        f"{sql.Identifier(name).as_string(None)} = {_text(value)}" for name, value in fact.properties["_where"].items()
    )
    if difference.change == EXTRA:
        return f"delete from {table} where {where};"
    if difference.change == DIFFERS:
        column = sql.Identifier(difference.name).as_string(None)
        return f"update {table} set {column} = {_text(difference.expected)} where {where};"
    columns = {name: value for name, value in fact.properties.items() if not name.startswith("_")}
    names = ", ".join(sql.Identifier(name).as_string(None) for name in columns)
    return f"insert into {table} ({names}) values ({', '.join(map(_text, columns.values()))});"


def _missing(difference: Difference) -> str:
    fact = difference.fact
    properties = fact.properties
    if fact.kind == "table":
        if properties["_partition"]:
            return "select ops.ensure_partitions();"
        return "its rows are gone with it: restore them (erpgres migrate undo-point list), no migration runs twice"
    if fact.kind == "column":
        return f"{_add_column(properties)};"
    if fact.kind == "role":
        return f"{CLUSTER}see sql/cluster/00_roles.sql"
    if fact.kind == "default_privileges":
        return f"alter default privileges {properties['_for']} revoke execute on {properties['_on']} from public;"
    create = properties.get("_create")
    return f"{create};" if create else "make it as its file says"


def _add_column(properties: dict[str, Any]) -> str:
    parts = [f"alter table {properties['_table']} add column {properties['_name']} {properties['type']}"]
    if properties["default"] is not None:
        parts.append(f"default {properties['default']}")
    if properties["generated"] is not None:
        how, _, expression = properties["generated"].partition(": ")
        parts.append(f"generated always as ({expression}) {how}")
    if properties["not null"] == "yes":
        parts.append("not null")
    return " ".join(parts)


def _extra(difference: Difference) -> str:
    fact = difference.fact
    drop = fact.properties.get("_drop")
    if fact.kind == "default_privileges":
        revoked = "".join(
            f"alter default privileges {fact.properties['_for']} revoke all on {fact.properties['_on']} from {who};"
            for who in sorted({grant.partition(":")[0] for grant in fact.properties["grants"]})
        )
        return revoked or "alter default privileges … grant back what was taken"
    return f"{drop};" if drop else "no file makes it: remove it, or write the migration that does"


def _on_column(template: str) -> Callable[[Difference], str]:
    def write(difference: Difference) -> str:
        p = difference.fact.properties
        value = difference.expected
        return template.format(t=p["_table"], c=p["_name"], v=value, q=_text(value))

    return write


def _not_null(d: Difference) -> str:
    p = d.fact.properties
    if d.expected == "yes" and d.found == "not validated":
        return f"alter table {p['_table']} alter column {p['_name']} set not null;"
    return f"alter table {p['_table']} alter column {p['_name']} {'set' if d.expected == 'yes' else 'drop'} not null;"


def _default(d: Difference) -> str:
    p = d.fact.properties
    action = "drop default" if d.expected is None else f"set default {d.expected}"
    return f"alter table {p['_table']} alter column {p['_name']} {action};"


def _options(what: str, *, column: bool = False, prefix: str = "") -> Callable[[Difference], str]:
    """Set the options that differ and reset those that should not be there."""

    def write(d: Difference) -> str:
        target = what.format(i=d.fact.identity, t=d.fact.properties.get("_table"), c=d.fact.properties.get("_name"))
        wanted = [f"{prefix}{option}" for option in d.expected if option not in d.found]
        names = {option.partition("=")[0] for option in d.expected}
        lost = [f"{prefix}{option.partition('=')[0]}" for option in d.found if option.partition("=")[0] not in names]
        parts = [f"{target} set ({', '.join(wanted)});" if wanted else ""]
        parts.append(f"{target} reset ({', '.join(lost)});" if lost else "")
        return " ".join(part for part in parts if part)

    return write


def _constraint_anew(d: Difference) -> str:
    other = d.other or d.fact
    return f"{other.properties['_drop']}; {d.fact.properties['_create']};"


def _index_valid(d: Difference) -> str:
    return f"reindex index concurrently {d.fact.properties['_name']};"


def _enable(d: Difference) -> str:
    words = {"yes": "enable", "no": "disable", "on a replica": "enable replica", "always": "enable always"}
    word = words[str(d.expected)]
    if d.fact.kind == "event_trigger":
        return f"alter event trigger {d.fact.identity} {word};"
    what = "rule" if d.fact.kind == "rule" else "trigger"
    table, _, name = d.fact.identity.rpartition(".")
    return f"alter table {table} {word} {what} {name};"


def _role(d: Difference) -> str:
    words = {"login", "inherit", "superuser", "createdb", "createrole", "replication", "bypassrls"}
    if d.name in words:
        return f"alter role {d.fact.identity} {'' if d.expected else 'no'}{d.name};"
    if d.name == "connection limit":
        return f"alter role {d.fact.identity} connection limit {d.expected};"
    if d.name == "valid until":
        return f"alter role {d.fact.identity} valid until {_text(d.expected or 'infinity')};"
    return f"comment on role {d.fact.identity} is {_text(d.expected)};"


def _membership(d: Difference) -> str:
    return f"{d.fact.properties['_drop']}; {d.fact.properties['_create']};"


def _grants(what: str) -> Callable[[Difference], str]:
    """Grant what lacks and revoke what is too much."""

    def write(d: Difference) -> str:
        target = what.format(i=d.fact.identity, n=d.fact.properties.get("_name"))
        parts = []
        for grant in (g for g in d.found if g not in d.expected):
            who, _, privilege = grant.partition(": ")
            parts.append(f"revoke {privilege.partition(' with ')[0]} on {target} from {who};")
        for grant in (g for g in d.expected if g not in d.found):
            who, _, privilege = grant.partition(": ")
            words, _, option = privilege.partition(" with ")
            parts.append(f"grant {words} on {target} to {who}{' with ' + option if option else ''};")
        return " ".join(parts)

    return write


def _default_grants(d: Difference) -> str:
    p = d.fact.properties
    parts = [
        f"alter default privileges {p['_for']} revoke {g.partition(': ')[2]} on {p['_on']} from {g.partition(':')[0]};"
        for g in d.found
        if g not in d.expected
    ]
    parts += [
        f"alter default privileges {p['_for']} grant {g.partition(': ')[2]} on {p['_on']} to {g.partition(':')[0]};"
        for g in d.expected
        if g not in d.found
    ]
    return " ".join(parts)


def _comment(d: Difference) -> str:
    kind, identity = d.fact.kind, d.fact.identity
    table, _, own = identity.rpartition(".")
    if kind in ("constraint", "trigger", "policy"):
        return f"comment on {kind} {own} on {table} is {_text(d.expected)};"
    target = d.fact.properties["_name"] if kind == "index" else identity
    return f"comment on {kind} {target} is {_text(d.expected)};"


def _owner(d: Difference) -> str:
    word = {"function": "routine", "type": str(d.fact.properties.get("kind"))}.get(d.fact.kind, d.fact.kind)
    if d.fact.kind == "view":
        word = str(d.fact.properties["kind"])
    word = "type" if word in ("enum", "range", "composite") else word
    identity = d.fact.properties["_name"] if d.fact.kind == "index" else d.fact.identity
    return f"alter {word} {identity} owner to {d.expected};"


def _row_security(d: Difference) -> str:
    enabled, _, forced = str(d.expected).partition(", ")
    words = ["enable" if enabled == "enabled" else "disable", "force" if forced else "no force"]
    return f"alter table {d.fact.identity} {words[0]} row level security, {words[1]} row level security;"


_TABLE = "alter table {i}"
_COLUMN = "alter table {t} alter column {c}"
_WRITERS: dict[tuple[str, str], Callable[[Difference], str]] = {
    ("table", "persistence"): lambda d: f"alter table {d.fact.identity} set {d.expected};",
    ("table", "row security"): _row_security,
    ("table", "storage parameters"): _options(_TABLE),
    ("table", "storage parameters of toast"): _options(_TABLE, prefix="toast."),
    ("table", "replica identity"): lambda d: (
        f"alter table {d.fact.identity} replica identity"
        f" {({'d': 'default', 'f': 'full', 'n': 'nothing'}).get(str(d.expected), 'using index …')};"
    ),
    ("table", "grants"): _grants("{i}"),
    ("schema", "grants"): _grants("schema {i}"),
    ("sequence", "grants"): _grants("sequence {i}"),
    ("function", "grants"): _grants("routine {i}"),
    ("type", "grants"): _grants("type {i}"),
    ("database", "grants"): _grants("database {n}"),
    ("database", "connection limit"): lambda d: (
        f"alter database {d.fact.properties['_name']} connection limit {d.expected};"
    ),
    ("default_privileges", "grants"): _default_grants,
    ("column", "type"): _on_column("alter table {t} alter column {c} type {v};"),
    ("column", "not null"): _not_null,
    ("column", "default"): _default,
    ("column", "storage"): _on_column("alter table {t} alter column {c} set storage {v};"),
    ("column", "compression"): lambda d: (
        f"alter table {d.fact.properties['_table']} alter column {d.fact.properties['_name']}"
        f" set compression {d.expected or 'default'};"
    ),
    ("column", "statistics"): lambda d: (
        f"alter table {d.fact.properties['_table']} alter column {d.fact.properties['_name']}"
        f" set statistics {-1 if d.expected is None else d.expected};"
    ),
    ("column", "options"): _options(_COLUMN),
    ("column", "identity"): lambda d: (
        f"alter table {d.fact.properties['_table']} alter column {d.fact.properties['_name']} "
        + (f"add generated {d.expected} as identity;" if d.expected and not d.found else "")
        + ("drop identity;" if not d.expected else "")
        + (f"set generated {d.expected};" if d.expected and d.found else "")
    ),
    ("constraint", "validated"): lambda d: (
        f"alter table {d.fact.properties['_table']} validate constraint {d.fact.properties['_name']};"
    ),
    ("constraint", "definition"): _constraint_anew,
    ("constraint", "enforced"): lambda d: (
        f"alter table {d.fact.properties['_table']} alter constraint {d.fact.properties['_name']}"
        f" {'enforced' if d.expected else 'not enforced'};"
    ),
    ("constraint", "triggers"): lambda d: (
        f"alter table {d.fact.properties['_table']} enable trigger all; "
        f"(and of the table it points to; then check the rows: they were not checked meanwhile)"
    ),
    ("index", "valid"): _index_valid,
    ("index", "definition"): lambda d: f"{(d.other or d.fact).properties['_drop']}; {d.fact.properties['_create']};",
    ("trigger", "enabled"): _enable,
    ("rule", "enabled"): _enable,
    ("event_trigger", "enabled"): _enable,
    ("trigger", "definition"): lambda d: f"{(d.other or d.fact).properties['_drop']}; {d.fact.properties['_create']};",
    ("membership", "set"): _membership,
    ("membership", "inherit"): _membership,
    ("membership", "admin"): _membership,
    ("role_setting", "value"): lambda d: f"{d.fact.properties['_create']};",
    ("database_setting", "value"): lambda d: f"{d.fact.properties['_create']};",
    ("extension", "version"): lambda d: f"alter extension {d.fact.identity} update to {_text(d.expected)};",
    ("extension", "schema"): lambda d: f"alter extension {d.fact.identity} set schema {d.expected};",
    ("partition_policy", "period"): lambda d: (
        f"update ops.partition_policy set period = {_text(d.expected)} where table_name = {_text(d.fact.identity)};"
    ),
    ("partition_policy", "periods ahead"): lambda d: (
        f"update ops.partition_policy set periods_ahead = {d.expected} where table_name = {_text(d.fact.identity)};"
    ),
    ("partition_policy", "periods kept"): lambda d: (
        f"update ops.partition_policy set periods_kept = {'null' if d.expected is None else d.expected}"
        f" where table_name = {_text(d.fact.identity)};"
    ),
    ("sequence", "increment"): lambda d: f"alter sequence {d.fact.identity} increment {d.expected};",
    ("sequence", "cache"): lambda d: f"alter sequence {d.fact.identity} cache {d.expected};",
    ("sequence", "maximum"): lambda d: f"alter sequence {d.fact.identity} maxvalue {d.expected};",
    ("sequence", "minimum"): lambda d: f"alter sequence {d.fact.identity} minvalue {d.expected};",
    ("sequence", "cycle"): lambda d: f"alter sequence {d.fact.identity} {'' if d.expected else 'no '}cycle;",
}


def _differs(difference: Difference) -> str:
    kind, name = difference.fact.kind, difference.name
    writer = _WRITERS.get((kind, name))
    if writer is not None:
        return writer(difference)
    if kind == "role":
        return _role(difference)
    if name == "comment":
        return _comment(difference)
    if name == "owner":
        return _owner(difference)
    if kind == "function" and difference.fact.properties["_create"]:  # generated, or made by a migration
        other = difference.other or difference.fact
        anew = name in ("result", "arguments", "kind")
        return f"{other.properties['_drop'] + '; ' if anew else ''}{difference.fact.properties['_create']};"
    if kind == "parameter":
        return "erpgres down && erpgres up -d, after `alter system reset` of it"
    return "make it as its file says, by a migration if rows depend on it"
