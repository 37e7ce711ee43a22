"""The rules as documentation: `lint explain`, the index in docs/lint.md, and the files of a new rule."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from erpgres import settings
from erpgres.errors import Refused
from erpgres.lint import allow, runner
from erpgres.lint.rule import CATALOG, CATALOG_FOLDER, TEXT

PAGE = Path("docs/lint.md")
CASES = Path("tests/tools/lint/cases")
_BEGIN = "<!-- rules: written by `erpgres lint rules --write` -->"
_END = "<!-- end of rules -->"
_SQUAWK_PAGE = "https://squawkhq.com/docs/"
_SQLFLUFF_PAGE = "https://docs.sqlfluff.com/en/stable/reference/rules.html"


def explain(name: str, root: Path = settings.ROOT) -> str:
    """Return what a rule asks, where it lies, its cases and its exceptions. Raises Refused for an unknown rule."""
    family, _, code = name.partition(".")
    found = {rule.name: rule for rule in runner.describe(root)}
    if code and family in (runner.SQUAWK, runner.SQLFLUFF):
        page = f"{_SQUAWK_PAGE}{code}" if family == runner.SQUAWK else _SQLFLUFF_PAGE
        return f"{name}: {found[family].documentation}\n\nThis one is explained at {page}"
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else "erpgres lint rules lists them"
        raise Refused(f"there is no rule {name}", hint)
    rule = found[name]
    lines = [f"{name} ({rule.kind}): {rule.documentation}"]
    if rule.kind in (TEXT, CATALOG):
        lines += ["", f"Rule: {_path(name, rule.kind)}"]
        for case in ("fail", "pass"):
            lines.append(f"Case that {case}{'s' if case == 'fail' else 'es'}: {(CASES / name / case).as_posix()}.sql")
    entries, _ = allow.read(root, runner.known(root))
    mine = [entry for entry in entries if entry.rule == name]
    if mine:
        lines += ["", f"Exceptions ({allow.FILE.as_posix()}):", *(f"  {item.object}: {item.reason}" for item in mine)]
    if rule.kind != "lint":
        lines += ["", f"To allow one case: -- lint: allow {name}: reason"]
    return "\n".join(lines)


def index(root: Path = settings.ROOT) -> str:
    """Return the index of rules as Markdown tables."""
    titles = {
        TEXT: "Rules on text",
        CATALOG: "Rules on the catalog",
        runner.SQLFLUFF: "Other tools",
        runner.LINT: "The lint itself",
    }
    kinds = {runner.SQUAWK: runner.SQLFLUFF}
    rules = runner.describe(root)
    parts = []
    for kind, title in titles.items():
        parts += [f"### {title}", "", "| rule | asks that |", "|---|---|"]
        for rule in sorted(rules, key=lambda item: item.name):
            if kinds.get(rule.kind, rule.kind) == kind:
                place = _path(rule.name, rule.kind) if rule.kind in (TEXT, CATALOG) else None
                name = f"[{rule.name}](../{place})" if place else rule.name
                parts.append(f"| {name} | {rule.title} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def page(root: Path = settings.ROOT) -> str:
    """Return docs/lint.md with the index as it should be. Raises Refused when its marks are gone."""
    text = (root / PAGE).read_text(encoding="utf-8")
    if _BEGIN not in text or _END not in text:
        raise Refused(f"{PAGE.as_posix()} lacks the marks of the index", f"put {_BEGIN} and {_END} back")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{index(root)}\n\n{_END}{after}"


def write(root: Path = settings.ROOT) -> bool:
    """Write the index into docs/lint.md and return whether it changed."""
    wanted = page(root)
    changed = wanted != (root / PAGE).read_text(encoding="utf-8")
    if changed:
        (root / PAGE).write_text(wanted, encoding="utf-8")
    return changed


def _path(name: str, kind: str) -> str:
    return f"tools/erpgres/lint/rules/{name}.py" if kind == TEXT else (CATALOG_FOLDER / f"{name}.sql").as_posix()


_TEXT_RULE = '''\
"""Say here what the module looks at."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source, walk


class {name}(Rule):
    """say here in one line what is asked

    Say here why, and what to do instead.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "say here what to do"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at statements."""
        for statement, line, _ in source.spans:
            for node in walk(statement):
                if isinstance(node, ast.DropStmt):
                    yield Problem(line, "say here what is wrong")
'''
_CATALOG_RULE = """\
-- say here in one line what is asked
-- Say here why, and what to do instead.
select
  '{name}' as rule,
  c.oid::regclass::text as object,
  'say here what is wrong' as detail,
  'say here what to do' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and false;
"""


def new_rule(name: str, root: Path = settings.ROOT, *, catalog: bool = False) -> list[Path]:
    """Write the files of a new rule and return them. Raises Refused for a name that is taken or is none."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Refused(f"{name} is no name of a rule", "lower case with underscores: no_recursive_view")
    if name in runner.known(root):
        raise Refused(f"there is a rule {name}", f"erpgres lint explain {name}")
    case = "-- path: {path}\n-- Say here what is {what}.\n"
    if catalog:
        texts = {
            root / CATALOG_FOLDER / f"{name}.sql": _CATALOG_RULE.format(name=name),
            root / CASES / name / "fail.sql": "-- Say here what is wrong.\ncreate table core.careless (id uuid);\n",
            root / CASES / name / "pass.sql": "-- Say here what is right.\ncreate table core.careful (id uuid);\n",
        }
    else:
        rules = root / "tools/erpgres/lint/rules"
        words = "".join(word.capitalize() for word in name.split("_"))
        path = "migrations/V9001__core_case.sql"
        texts = {
            rules / f"{name}.py": _TEXT_RULE.format(name=words),
            root / CASES / name / "fail.sql": case.format(path=path, what="wrong") + "drop table core.careless;\n",
            root / CASES / name / "pass.sql": case.format(path=path, what="right") + "select 1;\n",
        }
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(texts)
