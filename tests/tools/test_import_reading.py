"""How `erpgres import` reads: lines that COPY takes apart are the rows that the module csv makes of them, and what was
read before it is loaded may have changed by then."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Organization
from erpgres.errors import Refused
from erpgres.files import source
from erpgres.files.importing import Advance, Options, run
from erpgres.files.source import Plain, look
from erpgres.stack.state import State
from tools.imports import ITEM_HEADER, counts, items, load, rows_of, write_csv

Db = psycopg.Connection[Any]
Rows = list[tuple[int, list[str]]]


def both_ways(path: Path) -> tuple[Rows, Rows, int]:
    """The rows of a file by the module csv alone, those with its plain lines first, and how many of them were plain."""
    looked = look(path)
    expected = [(line, cells) for line, cells, _ in looked.records()]
    plain = Plain(looked)
    found: Rows = []
    for first, lines, _ in plain.parts():
        for line, text in enumerate(lines, first):
            (cells,) = csv.reader([text.decode()], delimiter=looked.delimiter or ",")
            found.append((line, cells))
    count = len(found)
    return expected, found + [(line, cells) for line, cells, _ in looked.records(plain.lines, plain.offset)], count


CELLS = st.sampled_from(
    ["", "a", "b c", " ", "é", "\ufeff", '"', '""', '"a"', '"a,b"', '"a ""b"" c"', '"a\nb"', 'a"b', "\\.", ";"]
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n"])
LINES = st.lists(st.tuples(st.lists(CELLS, min_size=1, max_size=3), ENDS), min_size=1, max_size=12)


@given(
    LINES,
    st.sampled_from(["a,b\n", '"a\n",b\r\n', "sep=,\na,b\n", "\ufeffa,b\n", "\na,b\r"]),
    st.sampled_from([8, 20, 1 << 18]),
)
@settings(max_examples=300, deadline=None)
def test_rows_are_the_same_whoever_takes_the_lines_apart(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[list[str], str]], header: str, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(header + "".join(",".join(cells) + end for cells, end in lines), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BLOCK", block)
        try:
            expected, found, _ = both_ways(path)
        except Refused:
            return
    assert found == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b'a,b\n1,2\n"x, ""y""",\n', 2),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n,3\r\n", 2),
        (b"sep=;\na;b\n1;2,3\n", 1),
        (b"a,b\n1,2\n3,4", 1),  # the last line does not end
        (b"a,b\n1,2\n3\n", 0),
        (b"a,b\n,\n1,2\n", 0),
        (b'a,b\n1,"2\n3"\n', 0),
        (b'a,b\n1,2"\n', 0),
        (b"a,b\n1,\0\n", 0),
        ("a,b\n1,Größe\n".encode("cp1252"), 0),
    ],
)
def test_lines_that_are_rows_are_told_from_others(tmp_path: Path, text: bytes, plain: int) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    expected, found, count = both_ways(path)
    assert (found, count) == (expected, plain)


def test_the_database_takes_lines_apart_as_the_module_csv_does(
    stack: State, org: Organization, new_org: Any, db: Db, tmp_path: Path
) -> None:
    names = [
        "\\.",
        "\\N",
        "NULL",
        "a, b",
        'say "hi"',
        "  both ends  ",
        "\ttab",
        "tail\\",
        "{1}",
        "Größe সুতা",
        "\u00a0x",
        "a;b|c",
    ]
    rows = [[f"A-{number}", name, "goods", "h87", "", ""] for number, name in enumerate(names)]
    path = write_csv(tmp_path / "plain.csv", ITEM_HEADER, rows)
    assert len([line for _, lines, _ in Plain(look(path)).parts() for line in lines]) == len(rows)
    other = new_org()
    # With a column that means nothing the tool reads the file itself.
    odd = write_csv(tmp_path / "odd.csv", (*ITEM_HEADER, "Colour"), [[*row, "red"] for row in rows])
    assert counts(load(stack, org, "items", path)) == counts(load(stack, other, "items", odd)) == (len(rows), 0, 0, 0)
    query = "select sku, name from core.item where org_id = %(org)s order by sku"
    found = rows_of(db, query, org)
    assert sorted(name for _, name in found) == sorted(name.strip() for name in names)
    assert found == rows_of(db, query, other)


def test_what_is_made_while_a_file_is_read_is_found_when_it_is_loaded(
    stack: State, org: Organization, db: Db, tmp_path: Path
) -> None:
    """Rows were new when they were read; one is there when they are loaded: it is changed, not refused."""
    path = write_csv(tmp_path / "items.csv", ITEM_HEADER, items(40))

    @contextmanager
    def meanwhile(phase: str, rows: int | None) -> Iterator[Advance]:
        if phase == "loading":
            with db.transaction():
                db.execute(
                    "insert into core.item (org_id, sku, name, class, unit_code)"
                    " values (%s, 'A-000007', 'Somebody else''s', 'GOODS', 'H87')",
                    [org.id],
                )
        yield lambda rows: None

    done = run(stack.dsn("migrator"), "items", path, org.code, None, Options(), meanwhile)
    assert counts(done) == (39, 1, 0, 0)
    found = rows_of(db, "select name, version from core.item where org_id = %(org)s and sku = 'A-000007'", org)
    assert found == [("Item 7", 2)]
