"""What both languages need: how PostgREST writes a type as JSON, and names for sets of values."""

from __future__ import annotations

import re
from collections.abc import Callable

from erpgres.docs.model import Column, Model, Relation

# JSON's kinds of value by PostgreSQL's names; what is not listed is a string (uuid, dates, ltree, ranges …).
_KINDS = {
    "boolean": "boolean",
    "smallint": "number", "integer": "number", "bigint": "number", "real": "number", "double precision": "number",
    "numeric": "number", "oid": "number",
    "json": "json", "jsonb": "json",
    "void": "nothing",
}  # fmt: skip


def kind(type_name: str) -> tuple[str, str]:
    """Return what a type is as JSON: ("boolean" | "number" | "string" | "json" | "nothing" | "row", name of the row).

    A row is a view or composite type of the API. Arrays are told by `is_array`.
    """
    plain = re.sub(r"\(.*?\)", "", type_name.removesuffix("[]")).strip()
    if plain.startswith("api."):
        return "row", plain.split(".", 1)[1]
    return _KINDS.get(plain, "string"), ""


def is_array(type_name: str) -> bool:
    """Say whether it is an array of what `kind` tells."""
    return type_name.endswith("[]")


def enums(model: Model) -> dict[tuple[str, ...], str]:
    """Name each set of values that a column shown by the API may have, after its table and column."""
    found: dict[tuple[str, ...], str] = {}
    for view in model.api_views:
        for column in view.columns:
            if column.values and column.source:
                table, origin = column.source
                name = f"{table.split('.', 1)[1]}_{origin}"
                if column.values not in found:
                    taken = set(found.values())
                    found[column.values] = name if name not in taken else table.replace(".", "_") + f"_{origin}"
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def pascal(name: str) -> str:
    """Turn `wms_document_lines` into `WmsDocumentLines`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def required(view: Relation, column: Column) -> bool:
    """Say whether an insert must give the column: it may not be null and has no default."""
    return not column.nullable and column.default is None


def writable(view: Relation, command: str) -> list[Column]:
    """Return the columns that an insert or update through the API may give."""
    names = set(view.writable(command))
    return [column for column in view.columns if column.name in names]


def summary(text: str, clean: Callable[[str], str] = str) -> str:
    """Return the first line of a comment."""
    return clean(text.split("\n", 1)[0].strip())
