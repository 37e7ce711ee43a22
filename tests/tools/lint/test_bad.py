"""Migrations that are bad on purpose are caught, and their good twins pass every rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from erpgres.lint import runner, squawk, style, suppress
from erpgres.lint.finding import Finding
from erpgres.lint.rule import catalog_rules, text_rules
from erpgres.lint.source import Source
from erpgres.settings import ROOT

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.sql"))
GOOD = sorted((HERE / "good").glob("*.sql"))


def expected(source: Source) -> set[str]:
    match = re.search(r"^-- expect: (.+)$", source.text, re.MULTILINE)
    return set(match[1].split(", ")) if match else set()


def read(paths: list[Path]) -> list[Source]:
    wrong: list[Finding] = []
    sources = [source for path in paths if (source := runner.candidate(path, wrong))]
    assert wrong == []
    return sources


@pytest.fixture
def judge(clone: str) -> Iterator[runner.Candidates]:
    with runner.Candidates(clone, catalog_rules().values()) as candidates:
        yield candidates


def alone(sources: list[Source], judge: runner.Candidates) -> list[Finding]:
    """What the catalog's rules find, of each source those that it should break."""
    return [item for source in sources for item in judge.judge(source, expected(source))]


def together(sources: list[Source], judge: runner.Candidates) -> list[Finding]:
    """What all rules of the catalog find. Each source has a gadget of its own, so most can be asked about at once."""
    own = [
        Source.of(source.shown, source.text.replace("gadget", f"gadget{number}"), kind=source.kind)
        for number, source in enumerate(sources, start=1)
    ]
    found, left = judge.judge_together(own)
    assert len(left) < 5, [source.shown for source in left]
    return found + [item for source in left for item in judge.judge(source)]


def all_findings(sources: list[Source], by_catalog: list[Finding]) -> Iterator[tuple[str, set[str], set[str]]]:
    """For each source its name, the rules it should break and those it breaks."""
    by_squawk = squawk.check(sources, ROOT)
    styled = [source for source in sources if "style" in source.shown]
    by_style = style.check(styled, ROOT, None)
    assert {item.file for item in by_catalog} <= {source.shown for source in sources}
    for source in sources:
        wanted = expected(source)
        found = runner.check_text([source], set(text_rules()))
        found += [item for item in (*by_squawk, *by_style, *by_catalog) if item.file == source.shown]
        suppressions, bad = suppress.read(source, runner.known())
        found = suppress.apply(found, suppressions)
        found += [*bad, *suppress.unused(suppressions, set(text_rules()) | {runner.SQUAWK})]
        yield Path(source.shown).name, wanted, {item.rule for item in found}


def test_there_are_enough_and_each_has_its_twin() -> None:
    assert len(BAD) >= 30
    bad, good = ({path.stem.removesuffix("_NONTRANSACTIONAL") for path in paths} for paths in (BAD, GOOD))
    assert bad == good


def test_every_bad_migration_is_caught_by_its_rule(judge: runner.Candidates) -> None:
    bad = read(BAD)
    caught = {name: (wanted, found) for name, wanted, found in all_findings(bad, alone(bad, judge))}
    assert all(wanted for wanted, _ in caught.values())
    assert {name: found for name, (wanted, found) in caught.items() if found != wanted} == {}


def test_every_good_twin_passes_every_rule(judge: runner.Candidates) -> None:
    good = read(GOOD)
    caught = {name: found for name, _, found in all_findings(good, together(good, judge))}
    assert {name: found for name, found in caught.items() if found} == {}


def test_bad_ones_that_are_judged_together_are_caught_too(judge: runner.Candidates) -> None:
    pair = read([HERE / "bad" / "12_price_as_float.sql", HERE / "good" / "13_time_without_zone.sql"])
    assert {(item.file, item.rule) for item in together(pair, judge)} == {(pair[0].shown, "no_float")}
