"""One run of the lint: which files, which rules, on which database; and what is left after all exceptions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from pglast import ast

from erpgres import settings
from erpgres.errors import CannotRun, Refused
from erpgres.lint import allow, catalog, scratch, squawk, style, suppress
from erpgres.lint.finding import Finding
from erpgres.lint.locate import Locator
from erpgres.lint.rule import CATALOG, TEXT, CatalogRule, catalog_rules, text_rules, title_of
from erpgres.lint.source import FOLDERS, MIGRATION, Source, Tree
from erpgres.migrate import files
from erpgres.migrate.catalog import REBUILT

SYNTAX = "syntax"
SQUAWK, SQLFLUFF, LINT = squawk.FAMILY, style.FAMILY, "lint"
# What the lint says of itself.
OWN = {
    suppress.RULE: """a suppression has a reason and an effect

The comment `-- lint: allow RULE: reason` at the end of a line covers that line; alone on its line the statement
below it, or, within a statement, the next line. One without a reason, for an unknown rule, or that covers nothing
is a finding, and so are the marks of sqlfluff (noqa) and squawk (squawk-ignore), which need no reason.""",
    allow.RULE: """an exception in sql/lint/allow.csv has a reason and an effect

It holds what no comment in a file can say: objects of the catalog, and text of released migrations. A line without
a reason, or that covers nothing, is a finding.""",
    SYNTAX: """a file is SQL that PostgreSQL understands

A file that its parser refuses is judged no further. A migration outside the tree is run as well.""",
    SQLFLUFF: """the style of everything that can still change

Run by sqlfluff with .sqlfluff, where each choice has its reason. Its rules are called sqlfluff.LT01 and so on.
Released migrations are left out: they cannot change.""",
    SQUAWK: """what a migration does to a live table

Run by squawk with .squawk.toml, where each rule left out has its reason. Its rules are called
squawk.ban-drop-column and so on.""",
}


@dataclass
class Result:
    """What a run found. `rules` is how many rules ran, `allowed` how many findings are exceptions with a reason."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    rules: int = 0
    allowed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Described:
    """A rule, for the list of rules: `kind` is text, catalog, sqlfluff, squawk or lint."""

    name: str
    kind: str
    title: str
    documentation: str


def describe(root: Path = settings.ROOT) -> list[Described]:
    """Return all rules, those of the lint itself last."""
    found = [Described(name, TEXT, title_of(rule.documentation), rule.documentation + _hint(rule.hint))
             for name, rule in text_rules().items()]  # fmt: skip
    found += [Described(name, CATALOG, title_of(rule.documentation), rule.documentation)
              for name, rule in catalog_rules(root).items()]  # fmt: skip
    found += [Described(name, name if name in (SQLFLUFF, SQUAWK) else LINT, title_of(text), text)
              for name, text in OWN.items()]  # fmt: skip
    return found


def _hint(hint: str) -> str:
    return f"\n\nWhat to do: {hint}." if hint else ""


def known(root: Path = settings.ROOT) -> set[str]:
    """Return the names of all rules."""
    return {*text_rules(), *catalog_rules(root), *OWN}


def read_tree(root: Path = settings.ROOT) -> tuple[Tree, list[Finding]]:
    """Return the SQL files of a checkout, and findings about those that are no SQL."""
    released = set(files.read_ledger(root))
    sources: list[Source] = []
    wrong: list[Finding] = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.sql")):
            shown = path.relative_to(root).as_posix()
            source = _read(path, shown, wrong, released=folder == "migrations/" and path.name in released)
            if source is not None:
                sources.append(source)
    migrated = {
        function.shown
        for source in sources
        if source.released
        for function in source.functions
        if not function.node.replace
    }
    for source in sources:
        source.migrated = migrated
    return Tree(root, sources, settings.DOMAINS), wrong


def _read(path: Path, shown: str, wrong: list[Finding], *, released: bool = False) -> Source | None:
    try:
        return Source.of(shown, path.read_text(encoding="utf-8"), released=released)
    except (Refused, UnicodeDecodeError) as error:
        message = error.message if isinstance(error, Refused) else "not UTF-8"
        number = message.partition(" line ")[2].partition(":")[0]
        wrong.append(Finding(shown, int(number) if number.isdigit() else 1, SYNTAX, "", message.splitlines()[0]))
        return None


def check_text(sources: Iterable[Source], names: set[str]) -> list[Finding]:
    """Run text rules on files."""
    found = []
    rules = [rule for name, rule in text_rules().items() if name in names and not rule.whole_tree]
    for source in sources:
        for rule in rules:
            if source.kind in rule.kinds:
                found += [
                    Finding(source.shown, item.line, rule.name, item.object, item.detail, rule.hint)
                    for item in rule.check(source)
                ]
    return found


def check_tree(tree: Tree, names: set[str]) -> list[Finding]:
    """Run the text rules that look at the whole tree."""
    return [
        Finding(place, item.line, rule.name, item.object, item.detail, rule.hint)
        for name, rule in text_rules().items()
        if name in names and rule.whole_tree
        for place, item in rule.check_tree(tree)
    ]


# Rules that a migration alone cannot keep: policies and triggers stand in trees of their own.
ANSWERED_ELSEWHERE = frozenset({"policy_for_owner", "version_guarded", "status_guarded"})


# dependent_objects_still_exist, feature_not_supported (a column's type under a view)
_DEPENDED_ON = ("2BP01", "0A000")


class Candidates:
    """Judges migrations that are not in the tree: each is applied to a database, asked about, and undone.

    `dsn` is a superuser's, so that `owner` can be taken on. What the rules find without a migration is asked once.
    To be used as a context.
    """

    def __init__(self, dsn: str, rules: Iterable[CatalogRule]) -> None:
        self._rules = [rule for rule in rules if rule.name not in ANSWERED_ELSEWHERE]
        self._connection = psycopg.connect(dsn, application_name="erpgres lint")
        self._before = set(catalog.query(self._connection, self._rules))
        self._connection.rollback()

    def __enter__(self) -> Candidates:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def judge(self, source: Source, names: set[str] | None = None) -> list[Finding]:
        """Return what was not found before it, by all rules or those named.

        One that PostgreSQL refuses is a finding of the rule syntax.
        """
        rules = [rule for rule in self._rules if names is None or rule.name in names]
        try:
            try:
                self._apply(source)
            except psycopg.Error as error:
                if error.sqlstate not in _DEPENDED_ON:
                    raise
                # The runner drops the views of the API before migrations, and makes them again after.
                self._connection.rollback()
                for schema in REBUILT:
                    self._connection.execute(f"drop schema {schema} cascade".encode())
                    self._connection.execute(f"create schema {schema} authorization owner".encode())
                self._apply(source)
            found = [item for item in catalog.query(self._connection, rules) if item not in self._before]
        except psycopg.Error as error:
            detail = f"{error.diag.message_primary or str(error).strip()} ({error.sqlstate})"
            return [Finding(source.shown, self._line, SYNTAX, "", detail)]
        finally:
            self._connection.rollback()
        return self._placed(found, [source])

    def judge_together(self, sources: list[Source]) -> tuple[list[Finding], list[Source]]:
        """Apply migrations that do not need each other, ask the rules once, and undo all.

        Returns what was not found before, and the sources that cannot be applied beside the others: to be judged alone.
        """
        beside: list[Source] = []
        try:
            self._connection.execute("select")  # begins the transaction that is undone
            for source in sources:
                try:
                    with self._connection.transaction():
                        self._apply(source)
                    beside.append(source)
                except psycopg.Error:
                    pass
            found = [item for item in catalog.query(self._connection, self._rules) if item not in self._before]
        finally:
            self._connection.rollback()
        return self._placed(found, beside), [source for source in sources if source not in beside]

    def _placed(self, found: list[Finding], sources: list[Source]) -> list[Finding]:
        locator = Locator(Tree(Path(), sources, settings.DOMAINS))
        return [
            Finding(item.file or sources[0].shown, item.line or 1, item.rule, item.object, item.detail, item.hint)
            for item in catalog.located(found, locator)
        ]

    def _apply(self, source: Source) -> None:
        self._connection.execute("set local role owner")
        self._connection.execute("select set_config('search_path', 'pg_catalog, public', true)")
        self._connection.execute("select set_config('plpgsql.extra_errors', 'all', true)")
        for statement, (_, self._line, _) in zip(source.statements, source.spans, strict=True):
            # Nobody else is there, so an index can be built under a lock, in the transaction that is undone.
            plain = re.sub(r"\bconcurrently\b", "", statement) if _is_concurrent(statement.node) else str(statement)
            self._connection.execute(plain.encode())
        self._connection.execute("reset role")


def _is_concurrent(node: object) -> bool:
    return isinstance(node, (ast.IndexStmt, ast.DropStmt)) and bool(node.concurrent)


@dataclass
class Run:
    """What a run is asked: paths and rules (all if empty), a database or None for one of the lint's own."""

    root: Path = settings.ROOT
    paths: list[Path] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    database_url: str | None = None
    with_catalog: bool = True
    with_cache: bool = True
    cache: Path | None = None

    def __call__(self) -> Result:
        """Run it. Raises Refused for a path or rule that is none, CannotRun when there is no database to be had."""
        begun = time.monotonic()
        names = self._names()
        tree, wrong = read_tree(self.root)
        candidates, chosen = self._paths(tree, wrong)
        ran = names if self.with_catalog else names - set(catalog_rules(self.root))
        sources = [*(source for source in tree.sources if chosen is None or source.shown in chosen), *candidates]
        findings = [item for item in wrong if chosen is None or item.file in chosen or item.rule == SYNTAX]
        findings += self._text(tree, sources, names, whole=chosen is None)
        findings += self._catalog(tree, candidates, names, chosen)
        suppressions, bad = [], []
        rules = known(self.root)
        for source in sources:
            found, complaints = suppress.read(source, rules)
            suppressions += found
            bad += complaints
        findings = suppress.apply(findings, suppressions)
        entries, complaints = allow.read(self.root, rules)
        findings, allowed = allow.apply(findings, entries, {source.shown for source in tree.sources if source.released})
        if suppress.RULE in names:
            findings += [*bad, *suppress.unused(suppressions, ran)]
        if allow.RULE in names and chosen is None:
            findings += [*complaints, *allow.unused(entries, ran)]
        result = Result(sorted(set(findings), key=_order), len(sources), len(ran), allowed)
        result.seconds = round(time.monotonic() - begun, 1)
        return result

    def _names(self) -> set[str]:
        everything = known(self.root)
        for name in self.rules:
            if name not in everything and name.partition(".")[0] not in (SQUAWK, SQLFLUFF):
                raise Refused(f"there is no rule {name}", "erpgres lint rules lists them")
        return set(self.rules) or everything

    def _paths(self, tree: Tree, wrong: list[Finding]) -> tuple[list[Source], set[str] | None]:
        """Return the files that are judged as if they were the next migration, and the chosen files of the tree."""
        if not self.paths:
            return [], None
        ours = {source.shown for source in tree.sources} | {item.file for item in wrong if item.file}
        candidates: list[Source] = []
        chosen: set[str] = set()
        for given in self.paths:
            path = given.resolve()
            if not path.exists():
                raise Refused(f"there is no {given}")
            inside = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else None
            below = {shown for shown in ours if inside is not None and f"{shown}/".startswith(f"{inside}/")}
            below = ours if inside == "." else below
            chosen |= below
            if below:
                continue
            for file in [path] if path.is_file() else sorted(path.rglob("*.sql")):
                source = candidate(file, wrong)
                if source is not None:
                    source.migrated = tree.sources[0].migrated if tree.sources else set()
                    candidates.append(source)
        return candidates, chosen

    def _text(self, tree: Tree, sources: list[Source], names: set[str], *, whole: bool) -> list[Finding]:
        found = check_text(sources, names)
        if whole:
            found += check_tree(tree, names)
        if any(name.partition(".")[0] == SQUAWK for name in names):
            found += _some(squawk.check([source for source in sources if source.kind == MIGRATION], self.root), names)
        if any(name.partition(".")[0] == SQLFLUFF for name in names):
            changing = [source for source in sources if not source.released]
            found += _some(style.check(changing, self.root, self.cache if self.with_cache else None), names)
        return found

    def _catalog(self, tree: Tree, candidates: list[Source], names: set[str], chosen: set[str] | None) -> list[Finding]:
        rules = [rule for name, rule in catalog_rules(self.root).items() if name in names]
        if not self.with_catalog or not rules or (not candidates and chosen is not None and not chosen):
            return []
        if candidates and self.database_url is not None:
            hint = "leave --database-url and --live out"
            raise Refused("a file outside the tree is tried on a database of the lint's own", hint)
        found: list[Finding] = []
        with self._database() as dsn:
            if chosen is None or chosen:
                placed = catalog.located(catalog.run(dsn, rules), Locator(tree))
                found += [item for item in placed if chosen is None or item.file in chosen]
            if candidates:
                with Candidates(dsn, rules) as judging:
                    found += [item for source in candidates for item in judging.judge(source)]
        return found

    def _database(self) -> AbstractContextManager[str]:
        if self.database_url is not None:
            return nullcontext(self.database_url)
        if self.cache is None:
            raise CannotRun("there is no folder for a database", "name a database with --database-url")
        return scratch.database(self.cache, self.root)


def candidate(path: Path, wrong: list[Finding]) -> Source | None:
    """Read a file as a migration that is not in the tree."""
    source = _read(path, path.as_posix(), wrong)
    if source is not None:
        source.kind = MIGRATION
    return source


def _some(findings: list[Finding], names: set[str]) -> list[Finding]:
    return [item for item in findings if item.rule in names or item.rule.partition(".")[0] in names]


def _order(finding: Finding) -> tuple[str, int, str, str, str]:
    return finding.file or "~", finding.line, finding.rule, finding.object, finding.detail
