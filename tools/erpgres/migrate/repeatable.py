"""The repeatable layer: functions, views of `api` and `analytics`, policies and grants, applied when they changed.

`api` and `analytics` are rebuilt whole; private functions only when their file or their object changed; the policies
and grants of a table only when their file changed or the catalog differs from what was recorded, so that a run that
changes nothing takes no lock on a table.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate import aside, bookkeeping, catalog
from erpgres.migrate.catalog import ANALYTICS_SCHEMA, REBUILT, Entry
from erpgres.migrate.objects import API, POLICY, REFERENCE, Made, RepeatableFile, find
from erpgres.migrate.session import NOT_REPLACED, NOT_YET_THERE, Session, StatementFailed, quoted
from erpgres.migrate.sqlfile import Statement

Key = tuple[str, str]


@dataclass
class Layer:
    """The files of a tree and what the database has recorded and holds; see `inspect`."""

    root: Path
    domains: list[str]
    files: dict[str, RepeatableFile]
    recorded: dict[str, str] = field(default_factory=dict)
    objects: dict[Key, tuple[str, str]] = field(default_factory=dict)
    entries: dict[Key, Entry] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    @property
    def schemas(self) -> list[str]:
        """Return all schemas we look after."""
        return [*self.domains, *REBUILT]

    def changed(self) -> list[str]:
        """Return the paths whose text is new or differs from what was applied."""
        return [path for path, file in self.files.items() if self.recorded.get(path) != file.sha256]

    def gone(self) -> list[str]:
        """Return the paths that were applied and have no file any more."""
        return [path for path in self.recorded if path not in self.files]

    def drifted(self) -> list[tuple[Key, str]]:
        """Return the recorded objects that the catalog lacks or has in another form, with their path."""
        return [
            (key, path)
            for key, (path, fingerprint) in self.objects.items()
            if key not in self.entries or self.entries[key].fingerprint != fingerprint
        ]

    def strangers(self) -> list[Entry]:
        """Return the objects in `api` and `analytics` that no file made."""
        return [
            entry
            for entry in self.entries.values()
            if entry.schema in REBUILT and entry.kind not in ("access", "schema") and entry.key not in self.objects
        ]

    def schema_of(self, key: Key) -> str | None:
        """Return the schema of a recorded object, from the catalog or, when it is gone, from its name."""
        if key in self.entries:
            return self.entries[key].schema
        name = f" on {key[1]}".rpartition(" on ")[2]
        return next((schema for schema in REBUILT if name.startswith(f"{schema}.")), None)

    def rebuild(self) -> set[str]:
        """Return which of `api` and `analytics` must be rebuilt."""
        found = {entry.schema for entry in self.strangers()}
        for path in self.changed():
            file = self.files[path]
            if file.phase == POLICY and (file.api_grants or path in self.recorded):
                found.add("api")  # a grant on a view may have gone, and nothing says which file another came from
            elif file.phase not in (POLICY, REFERENCE):
                found |= file.homes
        for key, (path, _) in self.objects.items():
            if path not in self.files or path in self.changed():
                found |= {self.schema_of(key)} & set(REBUILT)  # type: ignore[arg-type]
        for key, path in self.drifted():
            if path in self.files and self.files[path].phase != POLICY:
                found |= {self.schema_of(key)} & set(REBUILT)  # type: ignore[arg-type]
        for path in self.gone():
            if path.startswith("policies/"):
                found.add("api")
            elif path.startswith(("sql/api/", "sql/analytics/")):
                found.add(path.split("/")[1])
        return found

    def is_current(self) -> bool:
        """Say whether there is nothing to do."""
        return not (self.changed() or self.gone() or self.drifted() or self.strangers())


def inspect(session: Session, root: Path, domains: list[str]) -> Layer:
    """Read the tree, the records and the catalog. Needs a transaction."""
    layer = Layer(root, domains, {file.shown: file for file in find(root, domains)})
    refresh(session, layer)
    layer.damaged = {path for _, path in layer.drifted()}
    return layer


def refresh(session: Session, layer: Layer) -> None:
    """Read the records and the catalog again."""
    if bookkeeping.has_tables(session):
        layer.recorded = bookkeeping.recorded_files(session)
        layer.objects = bookkeeping.recorded_objects(session)
    layer.entries = catalog.listing(session, layer.schemas)


class StillUsed(Refused):
    """An object without a file could not be dropped: something depends on it."""


@dataclass
class Outcome:
    """What a run did to the layer: paths applied, objects dropped for good."""

    applied: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def take_down(session: Session, layer: Layer, schemas: set[str]) -> set[str]:
    """Empty the given rebuilt schemas, and drop what no file makes any more as far as nothing uses it.

    Returns the schemas emptied: `analytics` goes too when its views stand on those of `api`.
    """
    todo = set(schemas)
    while True:
        entries = [e for e in layer.entries.values() if e.schema in todo and e.kind not in ("access", "schema")]
        triggers = [entry for entry in entries if entry.kind == "trigger"]
        try:
            with session.savepoint():
                errors = catalog.drop_all(session, triggers) or catalog.drop_all(
                    session, [entry for entry in entries if entry.kind != "trigger"]
                )
                if errors:
                    raise errors[0]
            break
        except StatementFailed:
            if "api" in todo and ANALYTICS_SCHEMA not in todo:
                todo.add(ANALYTICS_SCHEMA)
                continue
            raise
    layer.entries = {key: entry for key, entry in layer.entries.items() if entry not in entries}
    _drop_orphans(session, layer)
    return todo


def set_aside(session: Session, layer: Layer, schemas: set[str]) -> set[str]:
    """As `take_down`, without a lock that a request could feel: the schemas are renamed and made anew, empty.

    Returns the schemas that are to be filled; empty when that is not possible and `take_down` must do.
    """
    todo = aside.can_step_aside(session, schemas, list(layer.entries.values()))
    for schema in sorted(todo):
        aside.step_aside(session, schema)
    if todo:
        layer.entries = {key: entry for key, entry in layer.entries.items() if entry.schema not in todo}
        _drop_orphans(session, layer)
    return todo | schemas if todo else set()


def _drop_orphans(session: Session, layer: Layer) -> None:
    """Drop the functions and triggers of files that are gone, as far as nothing uses them."""
    gone = [entry for entry in _orphans(layer) if entry.kind in ("function", "trigger")]
    catalog.drop_all(session, gone)


def _orphans(layer: Layer) -> list[Entry]:
    """Return the catalog entries of recorded objects whose file is gone."""
    return [
        layer.entries[key]
        for key, (path, _) in layer.objects.items()
        if path not in layer.files and key in layer.entries
    ]


def put_up(session: Session, layer: Layer, rebuild: set[str], outcome: Outcome) -> None:
    """Apply changed functions and all files of the schemas being rebuilt, in dependency order."""
    refresh(session, layer)
    changed = set(layer.changed())
    lacking = {path for key, path in layer.drifted() if layer.schema_of(key) not in rebuild}
    todo: list[RepeatableFile] = []
    for path, file in layer.files.items():
        if file.phase in (POLICY, REFERENCE):
            continue
        if path in changed | lacking or file.homes & rebuild:
            todo.append(file)
    todo.sort(key=lambda file: file.order)
    for schema in sorted({home for file in todo for home in file.homes} | rebuild):
        if not session.value("select to_regnamespace(%s) is not null", [schema]):
            session.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        elif any(file.is_schema and schema in file.homes for file in todo):
            catalog.revoke_all(session, layer.entries[("schema", schema)])
    _make_room(session, layer, todo)
    _apply_in_turn(session, todo, lambda file: _drop_made(session, layer, file))
    for file in todo:
        _remember(session, layer, file)
        if file.shown in changed | lacking | layer.damaged:
            outcome.applied.append(file.shown)


def _make_room(session: Session, layer: Layer, todo: list[RepeatableFile]) -> None:
    """Take grants and comments from the private functions that will be made anew: the file states what is left of them.

    They are replaced, not dropped: a call that has looked a function up finds it. What these files made and no longer
    make goes, as far as nothing uses it: a view must not find an overload that is about to vanish.
    """
    makes = [made for file in todo for made in file.makes]
    keys = {(made.kind, name) for made, name in zip(makes, _identities(session, makes), strict=True) if name}
    paths = {file.shown for file in todo}
    private = {
        key: e for key, e in layer.entries.items() if e.schema not in REBUILT and e.kind in ("function", "trigger")
    }
    catalog.drop_all(
        session,
        [private[key] for key, (path, _) in layer.objects.items() if path in paths and key in private.keys() - keys],
    )
    for key in sorted(keys & private.keys()):
        if key[0] == "function":
            catalog.revoke_all(session, private[key])
            session.execute(sql.SQL("comment on routine {} is null").format(quoted(private[key].identity)))


def _drop_made(session: Session, layer: Layer, file: RepeatableFile) -> bool:
    """Drop the private functions that a file is about to make; False when none was there."""
    found = [
        layer.entries[("function", name)]
        for made, name in zip(file.makes, _identities(session, file.makes), strict=True)
        if made.kind == "function" and name and made.schema not in REBUILT and ("function", name) in layer.entries
    ]
    errors = catalog.drop_all(session, found)
    if errors:
        raise errors[0]
    return bool(found)


def _apply_in_turn(session: Session, todo: list[RepeatableFile], drop: Callable[[RepeatableFile], bool]) -> None:
    """Apply files, putting one off while it names an object that another file is yet to make.

    `drop` is asked once for a file whose function cannot be replaced: it returns another type, or is an aggregate.
    """
    queue = deque(todo)
    dropped: set[str] = set()
    put_off: dict[str, StatementFailed] = {}
    while queue:
        if len(put_off) == len(queue):
            first, *others = (put_off[file.shown] for file in todo if file.shown in put_off)
            for other in others[:5]:
                first.add(f"also: {other.message.splitlines()[0]}")
            raise first
        file = queue.popleft()
        try:
            with session.savepoint():
                for statement in file.statements:
                    session.execute(statement)
            put_off.clear()
        except StatementFailed as error:
            if error.sqlstate in NOT_REPLACED and file.shown not in dropped and drop(file):
                dropped.add(file.shown)
                queue.appendleft(file)
                continue
            if error.sqlstate not in NOT_YET_THERE:
                raise
            put_off[file.shown] = error
            queue.append(file)


def _identities(session: Session, makes: list[Made]) -> list[str | None]:
    """Return the catalog's names of objects, None for a function that is not there."""
    path = session.value("select current_setting('search_path')")
    session.rows("select set_config('search_path', 'pg_catalog', true)")
    found: list[str | None] = []
    for made in makes:
        if made.kind == "function":
            name = sql.SQL("{}.{}({})").format(
                sql.Identifier(made.schema), sql.Identifier(made.name), quoted(", ".join(made.arguments))
            )
            found.append(session.value("select to_regprocedure(%s)::text", [name.as_string(None)]))
        elif made.table is not None:
            found.append(session.value("select format('%%I on %%I.%%I', %s, %s, %s)", [made.name, *made.table]))
        else:
            found.append(session.value("select format('%%I.%%I', %s, %s)", [made.schema, made.name]))
    session.rows("select set_config('search_path', %s, true)", [path])
    return found


def _remember(session: Session, layer: Layer, file: RepeatableFile) -> None:
    """Put the objects of an applied file into the layer's records, and the file into the table."""
    for key in [key for key, (path, _) in layer.objects.items() if path == file.shown]:
        del layer.objects[key]
    for made, identity in zip(file.makes, _identities(session, file.makes), strict=True):
        if identity is None:
            raise Refused(f"{file.shown}: {made.schema}.{made.name} is not there after the file was applied")
        other = layer.objects.get((made.kind, identity))
        if other is not None and other[0] in layer.files and other[0] != file.shown:
            raise Refused(f"{identity} is made by {other[0]} and by {file.shown}", "keep one of them")
        layer.objects[(made.kind, identity)] = (file.shown, "")
    if file.is_schema:
        layer.objects[("schema", REBUILT[0] if file.phase == API else REBUILT[1])] = (file.shown, "")
    bookkeeping.record_file(session, file.shown, file.sha256)


def apply_policies(session: Session, layer: Layer, rebuilt: set[str], outcome: Outcome) -> None:
    """Apply the policies and grants that changed or differ, and repeat the grants on a rebuilt `api`.

    What changes comes last: a policy locks its table until the commit, and requests wait behind that.
    """
    layer.entries = catalog.listing(session, layer.schemas)
    policies = sorted((f for f in layer.files.values() if f.phase == POLICY), key=lambda file: file.order)
    keys = _policy_keys(session, policies)
    changed = []
    for file in policies:
        key = keys[file.shown]
        entry = layer.entries.get(key)
        if entry is None:
            raise Refused(f"{file.shown}: there is no table {key[1]}", "a file here has the name of its table")
        record = layer.objects.get(key)
        if layer.recorded.get(file.shown) != file.sha256 or record != (file.shown, entry.fingerprint):
            changed.append((file, entry))
        elif "api" in rebuilt:
            for statement in file.api_grants:
                session.execute(statement)
    for key in [key for key, (path, _) in layer.objects.items() if path.startswith("policies/")]:
        path = layer.objects[key][0]
        if path not in layer.files and key in layer.entries:
            _clear(session, layer.entries[key])
            outcome.dropped.append(f"policies and grants of {key[1]}")
    for file, entry in changed:
        _clear(session, entry)
        _grant(session, file, entry, file.statements)
        layer.objects[entry.key] = (file.shown, "")
        bookkeeping.record_file(session, file.shown, file.sha256)
        outcome.applied.append(file.shown)


def protect(session: Session, layer: Layer, known: Container[Key]) -> None:
    """Give the tables that are not `known` their policies and grants, as far as their files need nothing of the layer.

    For a migration that commits ahead of the layer: its tables are used from then on, and a policy that came later
    would have to lock them. The layer applies the files again, whole, if they are about more than their table.
    """
    policies = [file for file in layer.files.values() if file.phase == POLICY and not file.is_schema]
    keys = _policy_keys(session, policies)
    new = [file for file in policies if keys[file.shown] not in known]
    if not new:
        return
    layer.entries = catalog.listing(session, layer.schemas, kinds=("access",))
    done = []
    for file in new:
        entry = layer.entries.get(keys[file.shown])
        if entry is None:
            continue
        try:
            with session.savepoint():
                _grant(session, file, entry, [s for s in file.statements if s not in file.api_grants])
        except StatementFailed as error:
            if error.sqlstate not in NOT_YET_THERE:
                raise
        else:
            done.append((file, entry.key))
    if not done:
        return
    entries = catalog.listing(session, layer.schemas, kinds=("access",))
    objects = bookkeeping.recorded_objects(session)
    for file, key in done:
        if not file.api_grants:
            objects[key] = (file.shown, entries[key].fingerprint)
            bookkeeping.record_file(session, file.shown, file.sha256)
    bookkeeping.record_objects(session, objects)


def _grant(session: Session, file: RepeatableFile, entry: Entry, statements: Sequence[Statement]) -> None:
    """Run the statements of a policy file on a table that has no policies and grants."""
    if entry.kind == "access" and any(_makes_policy(statement) for statement in file.statements):
        _enable(session, entry)
    for statement in statements:
        session.execute(statement)


def _makes_policy(statement: object) -> bool:
    return type(getattr(statement, "node", None)).__name__ == "CreatePolicyStmt"


def _policy_keys(session: Session, files: list[RepeatableFile]) -> dict[str, Key]:
    """Return what policy files are about by their paths: a table, or a schema."""
    names = [[file.shown, file.domain, "" if file.is_schema else file.path.stem] for file in files]
    rows = session.rows(
        "select f ->> 0, case f ->> 2 when '' then quote_ident(f ->> 1) else format('%%I.%%I', f ->> 1, f ->> 2) end"
        " from jsonb_array_elements(%s::jsonb) as f",
        [json.dumps(names)],
    )
    kinds = {file.shown: "schema" if file.is_schema else "access" for file in files}
    return {shown: (kinds[shown], identity) for shown, identity in rows}


def _clear(session: Session, entry: Entry) -> None:
    """Take away all policies and grants."""
    if entry.kind == "access":
        catalog.drop_policies(session, entry)
    catalog.revoke_all(session, entry)


def _enable(session: Session, entry: Entry) -> None:
    """Switch row level security on, for the owner too; what the file says afterwards goes before this."""
    enabled, forced = session.rows(
        "select relrowsecurity, relforcerowsecurity from pg_class where oid = %s", [entry.oid]
    )[0]
    if not enabled or not forced:
        session.execute(
            sql.SQL("alter table {} enable row level security, force row level security").format(quoted(entry.identity))
        )


def finish(session: Session, layer: Layer, outcome: Outcome) -> None:
    """Drop what no file makes any more, forget its files, and record the layer as the catalog has it now."""
    before = bookkeeping.recorded_objects(session)
    # Not for nothing: requests wait behind what the policies have locked.
    layer.entries |= catalog.listing(session, layer.schemas, kinds=catalog.GRANTED)
    left: list[Entry] = []
    for key, (path, _) in before.items():
        stays = key in layer.objects and layer.objects[key][0] in layer.files
        if stays or path.startswith("policies/"):
            continue
        if key[0] == "schema":
            if key in layer.entries:
                catalog.revoke_all(session, layer.entries[key])
            outcome.dropped.append(f"grants of schema {key[1]}")
            continue
        outcome.dropped.append(f"{key[0]} {key[1]}")
        if key in layer.entries:
            left.append(layer.entries[key])
    errors = catalog.drop_all(session, left)
    if errors:
        raise StillUsed(f"no file makes it any more, but it is still used\n{errors[0].message}", errors[0].hint)
    bookkeeping.forget_files(session, layer.gone())
    if left:
        layer.entries = catalog.listing(session, layer.schemas)
    layer.objects = {
        key: (path, layer.entries[key].fingerprint)
        for key, (path, _) in layer.objects.items()
        if path in layer.files and key in layer.entries
    }
    bookkeeping.record_objects(session, layer.objects)
