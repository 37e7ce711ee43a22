"""docs/reference: what the catalog, the commands and the migrations say, as Markdown that is committed."""

from __future__ import annotations

import difflib
from collections import defaultdict
from pathlib import Path

from erpgres import settings
from erpgres.docs import api, commands, history
from erpgres.docs.api import short_type
from erpgres.docs.markdown import Book, Section, code, codes, prose, table
from erpgres.docs.model import Column, Model, Policy, Relation, Template, Transition

FOLDER = Path("docs/reference")
_USUAL = (
    "Columns that most tables have, and that are not explained each time: `org_id`, `id` (a version 7 UUID, in order "
    "of time), `version` (counts changes), `created_at`, `created_by`, `updated_at`, `updated_by`."
)
_ERRORS = (
    "Every error is a JSON object with `code`, `message`, `details` and `hint`. Names in braces are filled in, and "
    "stand in `details` too. Those of the gateway (`gateway.…`) are on [its page](../../../deploy/gateway/README.md)."
)
_READERS = ("partner", "member", "superadmin", "analyst", "anon", "worker", "relay", "monitor", "owner", "migrator")


def render(model: Model, root: Path = settings.ROOT) -> dict[str, str]:
    """Return {path below docs/reference: text} of all pages; equal models give equal texts."""
    book = Book()
    lines = ["All pages here are generated: `erpgres docs reference` writes them, `erpgres docs check` compares.", ""]
    lines += ["## API", "", *api.write(book, model)]
    lines += ["", "## Data", "", *_data(book, model)]
    lines += ["", "## Access and errors", ""]
    lines += _permissions(book, model)
    lines += _errors(book, model)
    lines += ["", "## Command line", "", "`erpgres COMMAND --help` says the same.", ""]
    lines += [line.replace("](", "](cli/") for line in commands.write(book)]
    book.add(
        "migrations.md",
        "Migrations",
        ["Each runs once, in this order. A breaking one needs clients to change; the locks are those that others may "
         "meet while it runs."],
        history.sections(root),
    )  # fmt: skip
    lines += ["", "## History", "", "- [Migrations](migrations.md): why, which locks, whether clients break"]
    book.add("README.md", "Reference", lines, [])
    return book.render()


# ---- data dictionary ------------------------------------------------------------------------------------------------


def _data(book: Book, model: Model) -> list[str]:
    comments = _column_comments(model)
    listed = []
    for domain in model.domains:
        tables = [one for one in model.tables if one.domain == domain]
        if not tables:
            continue
        intro = [
            f"Tables of the schema `{domain}`. Clients see them through the [API](../api/README.md) only. "
            "`org_id` is the organisation that a row belongs to; policies compare it with that of the request."
        ]
        if any(one.primary_key[:1] == ("org_id",) for one in tables):
            intro += ["", _USUAL]
        sections = [
            Section(one.name, _table(one, comments, model), "table", (one.name,))
            for one in sorted(tables, key=lambda one: one.name)
        ]
        paths = book.add(f"data/{domain}.md", f"Data of {domain}", intro, sections)
        listed.append(f"- {_numbered(domain, paths)}: {len(tables)} tables")
    reports = [one for one in model.views if one.name.startswith("analytics.")]
    if reports:
        intro = ["Views for people who query with SQL, on the primary or a replica. Each sees its own organisation."]
        sections = [Section(one.name, _report(one), "table", (one.name,)) for one in reports]
        paths = book.add("data/analytics.md", "Data of analytics", intro, sections)
        listed.append(f"- {_numbered('analytics', paths)}: {len(reports)} views")
    return listed


def _report(view: Relation) -> list[str]:
    rows = [(code(one.name), short_type(one.type), prose(one.comment)) for one in view.columns]
    lines = [prose(view.comment), "", *table(["column", "type", "meaning"], rows), ""]
    readers = sorted(role for role in view.grants.get("select", {}) if role not in ("owner", "migrator"))
    lines += [f"- Read by {', '.join(readers)}"] if readers else []
    return [*lines, "- Made of " + ", ".join(f"{{{{table:{name}}}}}" for name in view.tables)] if view.tables else lines


def _column_comments(model: Model) -> dict[tuple[str, str], str]:
    """What views of the API say of a column, for tables whose own column has no comment."""
    found: dict[tuple[str, str], str] = {}
    for view in sorted(model.api_views, key=lambda one: len(one.tables)):
        for column in view.columns:
            if column.source and column.comment:
                found.setdefault(column.source, column.comment)
    return found


def _table(one: Relation, comments: dict[tuple[str, str], str], model: Model) -> list[str]:
    lines = [prose(one.comment), ""]
    if one.partitioned_by:
        lines += [f"Partitioned by {one.partitioned_by.lower()}.", ""]
    points: dict[str, list[str]] = defaultdict(list)
    for key in one.foreign_keys:
        points[key.columns[-1]].append(f"→ {{{{table:{key.target}}}}}")
    rows = []
    for column in one.columns:
        told = prose(column.comment or comments.get((one.name, column.name), ""))
        parts = [told, *points[column.name], api.one_of(column, told)]
        meaning = " ".join(part for part in parts if part)
        null = "" if column.nullable else "not null"
        rows.append((code(column.name), short_type(column.type), null, _default(column), meaning))
    lines += table(["column", "type", "null", "default", "meaning"], rows)
    facts = [f"- Key: {codes(one.primary_key)}" if one.primary_key else "- No primary key"]
    facts += [f"- Unique: {codes(columns)}" for columns in one.uniques]
    facts += [f"- Rule {code(name)}: {code(text)}" for name, text in one.checks if not _only_values(one, text)]
    facts += [f"- Rule {code(name)}: {code(text)}" for name, text in one.excludes]
    facts += [f"- Index {code(text)}" for text in one.indexes]
    steps = [step for step in model.transitions if step.entity == one.name]
    if steps:
        facts.append(
            "- Steps: " + ", ".join(f"{step.from_status} → {step.to_status} ({_step(step)})" for step in steps)
        )
    facts += _access(one.policies)
    shown = [view.short for view in model.api_views if one.name in view.tables]
    if shown:
        facts.append("- In the API: " + ", ".join(f"{{{{view:{name}}}}}" for name in shown))
    return [*lines, "", *facts]


def _step(step: Transition) -> str:
    """Say what a step is called and what it takes."""
    words = step.action + (", with a reason" if step.needs_reason else "")
    words += ", signed" if step.needs_signature else ""
    words += f", by none of {codes(step.other_than)}" if step.other_than else ""
    return words + (f"; {{{{permission:{step.permission}}}}}" if step.permission else "")


def _default(column: Column) -> str:
    return code(column.default) if column.default else ""


def _only_values(one: Relation, text: str) -> bool:
    """Say whether a check says no more than the list of values that stands at its column."""
    return any(column.values and text.startswith(f"{column.name} = ANY (ARRAY[") for column in one.columns)


def _access(policies: list[Policy]) -> list[str]:
    """Say what each role may see and write, the same words once."""
    by_role: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for policy in policies:
        by_role[policy.role][policy.words].append(policy.command)
    order = sorted(by_role, key=lambda role: (_READERS.index(role) if role in _READERS else 99, role))
    return [
        f"- {role}: " + "; ".join(f"{', '.join(names)}: {words}" for words, names in by_role[role].items())
        for role in order
        if role not in ("owner", "migrator")
    ]


def _numbered(name: str, paths: list[str]) -> str:
    first = f"[{name}]({paths[0]})"
    return " ".join([first, *(f"[{number}]({path})" for number, path in enumerate(paths[1:], 2))])


# ---- permissions ----------------------------------------------------------------------------------------------------


def _permissions(book: Book, model: Model) -> list[str]:
    used = _users_of_permissions(model)
    paths = []
    for domain in model.domains:
        names = [name for name in model.permissions if name.split(".", 1)[0] == domain]
        if not names:
            continue
        holders = [one for one in model.templates if not one.is_administrator and one.permissions & set(names)]
        sections = _matrix(names, holders)
        groups: dict[str, list[str]] = defaultdict(list)
        for name in names:
            groups[name.rsplit(".", 1)[0]].append(name)
        for group, inside in groups.items():
            rows = [
                (code(name), prose(model.permissions[name]), ", ".join(used.get(name, [])),
                 codes(one.code for one in holders if name in one.permissions))
                for name in inside
            ]  # fmt: skip
            sections.append(
                Section(
                    group, table(["permission", "allows", "asked by", "held by"], rows), "permission", tuple(inside)
                )
            )
        intro = ["Who holds what when an organisation is made; it may change its own roles. Administrators hold all of "
                 "them. A row of the matrix is a permission, a column a role: ● held."]  # fmt: skip
        book.add(f"permissions/{domain}.md", f"Permissions of {domain}", intro, sections)
        paths.append(f"[{domain}](permissions/{domain}.md)")
    roles = [
        (code(one.code), one.name, one.domain, one.user_kind.lower(), prose(one.description),
         "all" if one.is_administrator else str(len(one.permissions)))
        for one in model.templates
    ]  # fmt: skip
    book.add(
        "permissions/roles.md",
        "Roles",
        ["The roles that every organisation begins with. EXTERNAL ones are for a partner's own people."],
        [Section("Templates", table(["role", "name", "domain", "for", "does", "permissions"], roles))],
    )
    return [f"- [Roles](permissions/roles.md) that every organisation begins with; permissions of {', '.join(paths)}"]


def _matrix(names: list[str], holders: list[Template]) -> list[Section]:
    """Return the matrix; a wide one is cut into blocks of roles, so that none is wider than a screen."""
    blocks = [holders[begin : begin + 6] for begin in range(0, len(holders), 6)]
    sections = []
    for number, block in enumerate(blocks, 1):
        head = ["permission", *(one.code.replace("_", " ") for one in block)]
        rows = [[code(name), *("●" if name in one.permissions else "·" for one in block)] for name in names]
        heading = f"Matrix, {number} of {len(blocks)}" if len(blocks) > 1 else "Matrix"
        sections.append(Section(heading, table(head, rows)))
    return sections


def _users_of_permissions(model: Model) -> dict[str, list[str]]:
    """Return what asks for each permission: functions, and commands on views."""
    found: dict[str, list[str]] = defaultdict(list)
    for function in model.functions:
        for name in function.permissions:
            found[name].append(f"{{{{function:{function.name}}}}}")
    verbs = {"select": "GET", "insert": "POST", "update": "PATCH", "delete": "DELETE"}
    for view in model.api_views:
        for command, verb in verbs.items():
            if not view.roles(command):
                continue
            for name in model.asked(view, command):
                found[name].append(f"{verb} {{{{view:{view.short}}}}}")
    return found


# ---- errors ---------------------------------------------------------------------------------------------------------


def _errors(book: Book, model: Model) -> list[str]:
    raised: dict[str, list[str]] = defaultdict(list)
    for function in model.functions:
        for name in function.errors:
            raised[name].append(function.name)
    paths = []
    for domain in model.domains:
        errors = [one for one in model.errors if one.code.split(".", 1)[0] == domain]
        if not errors:
            continue
        by_status: dict[int, list[tuple[str, ...]]] = defaultdict(list)
        names: dict[int, list[str]] = defaultdict(list)
        for error in errors:
            who = raised[error.code]
            told = ", ".join(f"{{{{function:{name}}}}}" for name in who[:8]) + (" …" if len(who) > 8 else "")
            by_status[error.status].append((code(error.code), prose(error.message), prose(error.hint), told))
            names[error.status].append(error.code)
        sections = [
            Section(f"Status {status}", table(["code", "message", "hint", "answered by"], rows), "error",
                    tuple(names[status]))
            for status, rows in sorted(by_status.items())
        ]  # fmt: skip
        intro = [_ERRORS]
        book.add(f"errors/{domain}.md", f"Errors of {domain}", intro, sections)
        paths.append(f"[{domain}](errors/{domain}.md)")
    return [f"- Errors of {', '.join(paths)}"] if paths else []


# ---- the committed pages --------------------------------------------------------------------------------------------


def read(root: Path = settings.ROOT) -> dict[str, str]:
    """Return the pages that docs/reference holds."""
    folder = root / FOLDER
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))
    }


def write(pages: dict[str, str], root: Path = settings.ROOT) -> list[str]:
    """Write the pages, remove those that are no longer made; returns the paths that changed."""
    before = read(root)
    for path in before.keys() - pages.keys():
        (root / FOLDER / path).unlink()
    for path, text in pages.items():
        if before.get(path) != text:
            target = root / FOLDER / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return sorted(path for path in before.keys() | pages.keys() if before.get(path) != pages.get(path))


def difference(expected: dict[str, str], found: dict[str, str]) -> str:
    """Return a unified diff from the committed pages to those that the source makes now; empty when they are equal."""
    lines: list[str] = []
    for path in sorted(expected.keys() | found.keys()):
        lines += difflib.unified_diff(
            expected.get(path, "").splitlines(),
            found.get(path, "").splitlines(),
            f"{FOLDER.as_posix()}/{path}",
            f"generated/{path}",
            lineterm="",
            n=1,
        )
    return "\n".join(lines)
