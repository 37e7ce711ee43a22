"""Templates of `migrate new --kind`: each kind of change in the form that keeps no request waiting.

`kinds/<kind>.sql` beside this file: a head that says what it is for, which values it wants (`name=default` for those
that have one) and which file it makes, then the text. `<kind>.contract.sql` is the second half of a change in two
releases: made when nothing uses the old form any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from erpgres import settings
from erpgres.errors import Refused
from erpgres.migrate import files

FOLDER = Path(__file__).with_name("kinds")
CONTRACT = ".contract"
_IN_STEPS = "migration, in steps"
_MIGRATION = "migration"
_PLACE = re.compile(r"\{(?P<name>[a-z_]+)(?P<quoted>!r)?\}")


@dataclass(frozen=True)
class Kind:
    """A template. `values`: what it wants, with the default or None; `file`: what it makes."""

    name: str
    summary: str
    values: dict[str, str | None]
    file: str
    text: str

    @property
    def in_steps(self) -> bool:
        """Whether the migration runs in several transactions."""
        return self.file == _IN_STEPS


def read() -> dict[str, Kind]:
    """Return all kinds by name."""
    return {kind.name: kind for kind in map(_read, sorted(FOLDER.glob("*.sql")))}


def _read(path: Path) -> Kind:
    head, _, text = path.read_text(encoding="utf-8").partition("-- ---\n")
    said = dict(line.removeprefix("-- ").split(":", 1) for line in head.splitlines())
    values: dict[str, str | None] = {}
    for item in filter(None, (part.strip() for part in said["set"].split(","))):
        name, equals, default = item.partition("=")
        values[name] = default if equals else None
    # A default may be a list: `key=org_id; id`.
    values = {name: value.replace(";", ",") if value else value for name, value in values.items()}
    return Kind(path.name.removesuffix(".sql"), said["kind"].strip(), values, said["file"].strip(), text)


def new(
    kind: str,
    table: str,
    what: str,
    values: dict[str, str],
    root: Path = settings.ROOT,
    domains: list[str] | None = None,
) -> Path:
    """Write a file of a kind for a table (`domain.name`), and return its path.

    Raises Refused for a kind, a table or a value that there is not, for one that is missing, and when the file exists.
    """
    kinds = read()
    if kind not in kinds:
        raise Refused(f"no such kind: {kind}", f"one of {', '.join(kinds)}")
    found = kinds[kind]
    schema, dot, name = table.partition(".")
    names = settings.DOMAINS if domains is None else domains
    if not dot or schema not in names or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Refused(f"not a table: {table}", "name it with its domain: --table wms.document")
    text = fill(found, table, what, values)
    if found.file.startswith(_MIGRATION):
        slug = f"{files.NONTRANSACTIONAL} {what}" if found.in_steps else what
        path = files.new(schema, slug, root, domains, text=text)
    else:
        path = root / _substitute(found.file, _all_values(found, table, what, values))
        if path.exists():
            raise Refused(
                f"{path.relative_to(root)} is there already", "change it: it is applied again when it changed"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def fill(kind: Kind, table: str, what: str, values: dict[str, str]) -> str:
    """Return the text of a kind with its values."""
    unknown = [name for name in values if name not in kind.values]
    missing = [name for name, default in kind.values.items() if default is None and name not in values]
    if unknown or missing:
        wants = ", ".join(name if default is None else f"{name}={default}" for name, default in kind.values.items())
        raise Refused(
            f"{kind.name} wants {', '.join(missing)}" if missing else f"{kind.name} does not know {', '.join(unknown)}",
            f"--set NAME=VALUE, of: {wants or 'nothing'}",
        )
    text = _substitute(kind.text, _all_values(kind, table, what, values))
    return re.sub(r"(?<=\S) {2,}(?=\S)", " ", text)  # where an empty value stood


def _all_values(kind: Kind, table: str, what: str, values: dict[str, str]) -> dict[str, str]:
    schema, _, name = table.partition(".")
    every = {"domain": schema, "schema": schema, "name": name, "table": table, "what": what}
    given = {key: values.get(key, default or "") for key, default in kind.values.items()}
    columns = _list(given.get("columns", ""))
    every["first"] = columns[0].split()[0] if columns else ""
    every |= {key: _substitute(value, {**every, **given}) for key, value in given.items()}
    key = _list(every.get("key", ""))
    every["value_quoted"] = every.get("value", "").replace("'", "''")
    if "types" in every:
        every["definition"] = ",\n  ".join(map(" ".join, zip(columns, _list(every["types"]), strict=True)))
        key_types = _list(every["key_types"])
        every["key_definition"] = ",\n  ".join(
            f"{column} {kind_of} not null" for column, kind_of in zip(key, key_types, strict=True)
        )
    every |= {
        "new_key": ", ".join(f"new.{column}" for column in key),
        "new_columns": ", ".join(f"new.{column}" for column in columns),
        "t_key": ", ".join(f"t.{column}" for column in key),
        "t_columns": ", ".join(f"t.{column}" for column in columns),
        "same_key": " and ".join(f"n.{column} = t.{column}" for column in key),
        "excluded": ", ".join(f"{column} = excluded.{column}" for column in columns),
        "drops": ", ".join(f"drop column {column}" for column in columns),
    }
    return every


def _list(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",\s+", text) if part.strip()]


def _substitute(text: str, values: dict[str, str]) -> str:
    """Put the values in; `{{batch}}` becomes `{batch}`, `{name!r}` a literal of SQL."""

    def value(match: re.Match[str]) -> str:
        found = values[match["name"]]
        return "'" + found.replace("'", "''") + "'" if match["quoted"] else found

    marked = text.replace("{{", "\1").replace("}}", "\2")
    return _PLACE.sub(value, marked).replace("\1", "{").replace("\2", "}")
