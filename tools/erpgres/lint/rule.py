"""The two kinds of house rules, and how they are found: one file is one rule, its text is its documentation."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from erpgres import settings
from erpgres.errors import Refused
from erpgres.lint.source import Source, Tree

TEXT, CATALOG = "text", "catalog"
RULES = Path(__file__).with_name("rules")
CATALOG_FOLDER = Path("sql/lint")
_CATALOG_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Problem:
    """What a text rule says of one place: `line` counts from 1, `object` names the thing if it has a name."""

    line: int
    detail: str
    object: str = ""


class Rule:
    """A rule on text. The docstring of the class is its documentation: a title, an empty line, why and what to do.

    `kinds` are the files it looks at, `hint` says in one line how a finding is corrected. A rule implements `check` for
    one file, or `check_tree` for the checkout as a whole.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    hint: ClassVar[str] = ""
    whole_tree: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The rule's name: that of its module."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def documentation(self) -> str:
        """The docstring of the class."""
        return inspect.getdoc(type(self)) or ""

    def check(self, source: Source) -> Iterator[Problem]:
        """Yield what is wrong in a file."""
        return iter(())

    def check_tree(self, tree: Tree) -> Iterator[tuple[str, Problem]]:
        """Yield what is wrong in the tree, with the file or folder it is found in."""
        return iter(())


@dataclass(frozen=True)
class CatalogRule:
    """A rule on the catalog: `sql/lint/<name>.sql`, a query with the columns rule, object, detail, hint."""

    name: str
    documentation: str
    query: str

    @property
    def title(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0]


@cache
def text_rules() -> dict[str, Rule]:
    """Return the text rules by name."""
    found: dict[str, Rule] = {}
    for path in sorted(RULES.glob("*.py")):
        if path.stem.startswith("_"):
            continue
        module = importlib.import_module(f"erpgres.lint.rules.{path.stem}")
        classes = [
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, Rule) and item.__module__ == module.__name__
        ]
        if len(classes) != 1:
            raise Refused(f"{path.name}: a module of lint rules holds one class of Rule, this one {len(classes)}")
        found[path.stem] = classes[0]()
    return found


def catalog_rules(root: Path = settings.ROOT) -> dict[str, CatalogRule]:
    """Return the catalog rules by name."""
    found = {}
    for path in sorted((root / CATALOG_FOLDER).glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        if not _CATALOG_NAME.fullmatch(path.stem):
            raise Refused(f"{CATALOG_FOLDER.as_posix()}/{path.name}: the name must be lower case with underscores")
        if path.stem in text_rules():
            raise Refused(f"{CATALOG_FOLDER.as_posix()}/{path.name}: there is a text rule of that name")
        lines = []
        for row in text.splitlines():
            if not row.startswith("--"):
                break
            lines.append(row.removeprefix("--").removeprefix(" ").rstrip())
        if not lines:
            raise Refused(f"{CATALOG_FOLDER.as_posix()}/{path.name}: no comment lines at its top say what it asks")
        title, *body = lines
        found[path.stem] = CatalogRule(path.stem, "\n".join([title, "", *body]).rstrip(), text)
    return found


def title_of(documentation: str) -> str:
    """Return the first line of a rule's documentation."""
    return documentation.partition("\n")[0].rstrip(".")
