"""The domains are the same in every tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import Tree

_FOLDERS = ("functions", "policies", "sql/invariants")
_FILES = ("sql/api", "sql/analytics")
_OTHER_TESTS = frozenset({"api", "catalog", "tools"})
_OTHER_FILES = frozenset({"_schema"})


class DomainsEverywhere(Rule):
    """a domain has its place in every tree, and no tree knows another

    The list stands in pyproject.toml. A domain with tables has functions/, policies/ and tests/ of its name and a
    file in sql/schema/; a folder or a file of another name is found by nobody.
    """

    whole_tree = True
    hint = "the domains are listed in pyproject.toml, [tool.erpgres]"

    def check_tree(self, tree: Tree) -> Iterator[tuple[str, Problem]]:
        """Compare folders and file names with the list."""
        known = set(tree.domains)
        for folder in _FOLDERS:
            yield from self._folders(tree, folder, known)
        yield from self._folders(tree, "tests", known | _OTHER_TESTS)
        for folder in _FILES:
            for path in sorted((tree.root / folder).glob("*.sql")):
                domain = path.stem.partition("_")[0] if path.stem not in _OTHER_FILES else None
                if domain is not None and folder == "sql/api" and domain not in known:
                    shown = path.relative_to(tree.root).as_posix()
                    yield shown, Problem(1, f"{domain} is no domain", path.stem)
        migrated = {
            match[1]
            for path in (tree.root / "migrations").glob("V*.sql")
            if (match := re.match(r"V\d{4}__([a-z]+)_", path.name))
        }
        for domain in sorted(migrated & known):
            for folder in ("functions", "policies", "tests"):
                if not any((tree.root / folder / domain).glob("*")):
                    place = f"{folder}/{domain}"
                    yield place, Problem(1, f"there are migrations of {domain}, and no {place}", domain)
            if not (tree.root / "sql/schema" / f"{domain}.sql").exists():
                place = f"sql/schema/{domain}.sql"
                yield place, Problem(1, f"there is no {place}: erpgres schema dump", domain)

    def _folders(self, tree: Tree, folder: str, known: set[str]) -> Iterator[tuple[str, Problem]]:
        base = tree.root / folder
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            if path.is_dir() and not path.name.startswith(("_", ".")) and path.name not in known:
                shown = path.relative_to(tree.root).as_posix()
                yield shown, Problem(1, f"{path.name} is no domain", path.name)
