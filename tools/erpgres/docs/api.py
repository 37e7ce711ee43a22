"""The API as pages: every view with its columns and rights, every function with its parameters and errors."""

from __future__ import annotations

import re
from pathlib import Path

from erpgres.docs.markdown import Book, Section, code, codes, prose, table
from erpgres.docs.model import Column, Function, Model, Relation, Relationship

VERBS = {"select": "GET", "insert": "POST", "update": "PATCH", "delete": "DELETE"}

_ASKING = Path(__file__).with_name("asking.md")


def write(book: Book, model: Model) -> list[str]:
    """Add the pages of the API; return lines of a list of them."""
    listed = ["- [How to ask](api/README.md): pages, filters, writing"]
    inner = []
    relationships = model.relationships()
    for domain in model.domains:
        views = [one for one in model.api_views if one.domain == domain]
        functions = [one for one in model.functions if one.domain == domain]
        parts = []
        for kind, number, sections in (
            ("views", len(views), [view_section(one, model, relationships) for one in views]),
            ("functions", len(functions), [function_section(one, model) for one in functions]),
        ):
            if sections:
                paths = book.add(f"api/{domain}-{kind}.md", f"API of {domain}: {kind}", [], sections)
                links = [f"[{number} {kind}]({paths[0]})"] + [f"[part {i}]({p})" for i, p in enumerate(paths[1:], 2)]
                parts.append(" ".join(links))
        if parts:
            listed.append(f"- {domain}: {', '.join(parts)}")
            inner += [line.replace("](api/", "](") for line in listed[-1:]]
    book.add(
        "api/README.md",
        "The API",
        [*_ASKING.read_text(encoding="utf-8").strip().split("\n"), "", "## What there is", "", *inner],
        [],
    )
    return listed


def view_section(view: Relation, model: Model, relationships: list[Relationship]) -> Section:
    """Describe a view: who may do what, columns, what is embedded, what an index serves."""
    lines = [f"**{prose(view.summary)}**", "", prose(view.details), ""] if view.comment else []
    rights = []
    for command, verb in VERBS.items():
        roles = view.roles(command)
        if not roles:
            continue
        asked = model.asked(view, command)
        needs = ", ".join(f"{{{{permission:{name}}}}}" for name in asked)
        if asked and command != "select":
            roles = [f"{role} with {needs}" if role == "member" else role for role in roles]
        more = f"; a member sees more rows with {needs}" if asked and command == "select" else ""
        rights.append(f"- {verb} `/api/{view.short}`: {', '.join(roles)}{more}")
    lines += [*rights, ""]
    inserts, updates = set(view.writable("insert")), set(view.writable("update"))
    rows = []
    for column in view.columns:
        use = ["POST" if column.name in inserts else "", "PATCH" if column.name in updates else ""]
        told = f"{prose(column.comment)} {one_of(column, column.comment)}".strip()
        rows.append((code(column.name), short_type(column.type), "null" if column.nullable else "",
                     "/".join(one for one in use if one), told))  # fmt: skip
    lines += table(["column", "type", "null", "written by", "meaning"], rows)
    embedded = sorted({one.target for one in relationships if one.view == view.short})
    embeds = sorted({one.view for one in relationships if one.target == view.short} - set(embedded))
    facts = []
    if embedded:
        facts.append("- Belongs to, for `select=…,view(…)`: " + ", ".join(f"{{{{view:{name}}}}}" for name in embedded))
    if embeds:
        facts.append("- Has: " + ", ".join(f"{{{{view:{name}}}}}" for name in embeds))
    served = served_by_index(view, model)
    if served:
        facts.append(f"- Filters and orders that an index serves: {'; '.join(served)}")
    if view.tables:
        facts.append("- Shows " + ", ".join(f"{{{{table:{name}}}}}" for name in view.tables))
    return Section(view.short, [*lines, "", *facts], "view", (view.short,))


def one_of(column: Column, told: str) -> str:
    """Return the values that a column may have, unless the text that stands beside it names them all."""
    if all(value in told for value in column.values):
        return ""
    return f"One of {codes(column.values)}."


def served_by_index(view: Relation, model: Model) -> list[str]:
    """Return the columns that a filter or an order finds by an index of the table that the rows come from."""
    origin = next((column.source[0] for column in view.columns if column.source), None)
    base = model.table(origin) if origin else None
    if base is None:
        return []
    shown = {
        column.source[1]: column.name for column in view.columns if column.source and column.source[0] == base.name
    }
    keys = [base.primary_key, *base.uniques]
    for text in base.indexes:
        inside = re.search(r"btree \((.*?)\)(?: INCLUDE| WHERE|$)", text)
        if inside:
            keys.append(tuple(re.split(r"\s", part.strip())[0].strip('"') for part in inside[1].split(",")))
    found: list[str] = []
    for key in keys:
        rest = [name for name in key if name != "org_id"]
        usable = []
        for name in rest:
            if name not in shown:
                break
            usable.append(shown[name])
        text = " then ".join(code(name) for name in usable)
        if usable and text not in found:
            found.append(text)
    return sorted(found, key=lambda text: (text.count(" then "), text))


def function_section(function: Function, model: Model) -> Section:
    """Describe a function: how it is called, by whom, its parameters, answer and errors."""
    verbs = "GET, POST" if function.reads_only else "POST"
    lines = [f"**{prose(function.summary)}**", "", prose(function.details), ""]
    needs = ", ".join(f"{{{{permission:{name}}}}}" for name in function.permissions)
    lines += [f"- {verbs} `/api/rpc/{function.name}`: {', '.join(function.roles) or 'nobody'}"
              + (f"; asks for {needs}" if needs else "")]  # fmt: skip
    lines += [f"- Answers with {_result(function)}"]
    if function.errors:
        statuses = {one.code: one.status for one in model.errors}
        by_status: dict[int, list[str]] = {}
        for name in sorted(function.errors, key=lambda name: (statuses[name], name)):
            by_status.setdefault(statuses[name], []).append(f"{{{{error:{name}}}}}")
        lines += ["- Errors: " + "; ".join(f"{status}: {', '.join(told)}" for status, told in by_status.items())]
    rows = [
        (code(one.name), short_type(one.type), "required" if one.required else code(_short(one.default or "")))
        for one in function.parameters
    ]
    lines += ["", *table(["parameter", "type", "left out"], rows)]
    if function.result_columns:
        lines += [
            "",
            *table(
                ["column of the answer", "type"], [(code(c.name), short_type(c.type)) for c in function.result_columns]
            ),
        ]
    own = next((one for one in model.types if one.name == function.result.removesuffix("[]")), None)
    if own:
        lines += ["", *table(["column of the answer", "type", "meaning"],
                             [(code(c.name), short_type(c.type), prose(c.comment)) for c in own.columns])]  # fmt: skip
    return Section(function.name, lines, "function", (function.name,))


def short_type(name: str) -> str:
    """Return a type's name as people write it."""
    return name.replace("timestamp with time zone", "timestamptz").replace("timestamp without time zone", "timestamp")


def _short(default: str) -> str:
    return re.sub(r"::[\w ]+(\[\])?$", "", default).replace("NULL", "null")


def _result(function: Function) -> str:
    if function.result == "void":
        return "nothing (204)"
    if function.result_columns:
        what = "rows" if function.returns_set else "a row"
    elif function.result.startswith("api."):
        name = function.result.split(".", 1)[1]
        what = f"{'rows' if function.returns_set else 'a row'} of {{{{view:{name}}}}}"
    else:
        what = {"jsonb": "a JSON value", "json": "a JSON value"}.get(function.result, f"a value of {function.result}")
        what = f"{what}, many" if function.returns_set else what
    return what
