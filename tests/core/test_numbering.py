"""Document numbers: without gaps, whoever fails and however many come at once."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

NEXT = "select core.next_number(%s, uuidv7(), on_date => %s)"
A, B = "core.test_a", "core.test_b"


@pytest.fixture
def series(org: Any, db: Any) -> None:
    for document_type, pattern in ((A, "A-{year}-{number:5}"), (B, "B-{year}-{number}")):
        db.execute(
            "insert into core.number_series (org_id, document_type, pattern) values (%s, %s, %s)",
            [org.id, document_type, pattern],
        )


@contextmanager
def session(org: Any) -> Iterator[psycopg.Connection[Any]]:
    """A session that numbers documents of the organisation."""
    with psycopg.connect(org.stack.dsn("migrator"), autocommit=True) as connection:
        connection.execute("select set_config('request.jwt.claims', %s, false)", [f'{{"org_id": "{org.id}"}}'])
        yield connection


def number(connection: Any, document_type: str, on_date: str | None = "2026-05-01") -> str:
    return str(connection.execute(NEXT, [document_type, on_date]).fetchone()[0])


def test_numbers_look_as_the_pattern_says(org: Any, series: None) -> None:
    with session(org) as s:
        assert [number(s, A), number(s, A), number(s, B)] == ["A-2026-00001", "A-2026-00002", "B-2026-1"]
        assert number(s, A, "2027-01-01") == "A-2027-00001"
        assert number(s, A) == "A-2026-00003"


def test_a_number_longer_than_its_places_is_not_cut(org: Any, series: None) -> None:
    with session(org) as s, s.transaction(force_rollback=True):
        number(s, A)
        s.execute("update core.number_counter set last_number = 99999 where org_id = %s", [org.id])
        assert number(s, A) == "A-2026-100000"


def test_never_reset_goes_on(org: Any, db: Any) -> None:
    db.execute(
        "insert into core.number_series (org_id, document_type, pattern, reset) values (%s, %s, 'N{number}', 'NEVER')",
        [org.id, A],
    )
    with session(org) as s:
        assert [number(s, A, "2026-01-01"), number(s, A, "2027-01-01")] == ["N1", "N2"]


def test_no_gaps_under_concurrency_and_aborts(org: Any, series: None, db: Any) -> None:
    """20 sessions take 10 numbers each and give back about a third of them."""

    def work(seed: int) -> list[str]:
        kept = []
        chance = random.Random(seed)
        with session(org) as s:
            for _ in range(10):
                try:
                    with s.transaction():
                        taken = number(s, A)
                        if chance.random() < 0.3:
                            raise InterruptedError
                    kept.append(taken)
                except InterruptedError:
                    continue
        return kept

    with ThreadPoolExecutor(20) as pool:
        kept = [n for result in pool.map(work, range(20)) for n in result]
    assert 0 < len(kept) < 200
    assert sorted(kept) == [f"A-2026-{n:05}" for n in range(1, len(kept) + 1)]
    registered = db.execute("select number from core.number_register where org_id = %s order by 1", [org.id]).fetchall()
    assert [row[0] for row in registered] == sorted(kept)


def test_one_document_type_does_not_hold_up_another(org: Any, series: None) -> None:
    with session(org) as one, session(org) as other:
        other.execute("set lock_timeout = '200ms'")
        with one.transaction():
            assert number(one, A) == "A-2026-00001"
            assert number(other, B) == "B-2026-1"
            assert number(other, A, "2027-01-01") == "A-2027-00001"
            with pytest.raises(psycopg.errors.LockNotAvailable):
                number(other, A)  # the control: the same series does wait
        assert number(other, A) == "A-2026-00002"


def test_one_organisation_does_not_hold_up_another(new_org: Any, db: Any) -> None:
    ours, theirs = new_org(), new_org()
    for each in (ours, theirs):
        db.execute(
            "insert into core.number_series (org_id, document_type, pattern) values (%s, %s, '{year}/{number}')",
            [each.id, A],
        )
    with session(ours) as one, session(theirs) as other:
        other.execute("set lock_timeout = '200ms'")
        with one.transaction():
            assert number(one, A) == number(other, A) == "2026/1"


def test_a_unit_may_have_numbers_of_its_own(org: Any, series: None, api: Any, make: Any, db: Any) -> None:
    admin = api(org.admin_token)
    units = [make(admin, "org_units", kind="BRANCH", code=code, name=code) for code in ("DHK", "CTG")]
    make(admin, "number_series", document_type=A, unit_id=units[0]["id"], pattern="{unit}/{year}/{number:3}")
    with session(org) as s:
        asked = "select core.next_number(%s, uuidv7(), %s, '2026-05-01')"
        assert s.execute(asked, [A, units[0]["id"]]).fetchone() == ("DHK/2026/001",)
        assert s.execute(asked, [A, units[1]["id"]]).fetchone() == ("A-2026-00001",)


def test_the_year_is_that_of_the_organisation(org: Any, series: None, db: Any) -> None:
    db.execute("update core.organization set time_zone = 'Etc/GMT-14' where id = %s", [org.id])
    with session(org) as s:
        expected = s.execute("select to_char(now() at time zone 'Etc/GMT-14', 'YYYY')").fetchone()[0]
        assert number(s, A, None) == f"A-{expected}-00001"


def test_a_type_of_the_catalogue_gets_its_series_on_first_use(org: Any, db: Any) -> None:
    known = db.execute("select document_type, pattern from core.number_pattern order by 1 limit 1").fetchone()
    assert known is not None
    db.execute("delete from core.number_series where org_id = %s and document_type = %s", [org.id, known[0]])
    with session(org) as s:
        assert number(s, known[0])
    made = db.execute(
        "select pattern from core.number_series where org_id = %s and document_type = %s", [org.id, known[0]]
    ).fetchone()
    assert made == (known[1],)


def test_a_type_without_a_series_is_refused(org: Any) -> None:
    with session(org) as s, pytest.raises(psycopg.Error, match=r"core\.number_missing_series"):
        number(s, "core.unheard_of")


def test_a_document_is_numbered_once(org: Any, series: None) -> None:
    entity = uuid.uuid4()
    asked = "select core.next_number(%s, %s, on_date => '2026-05-01')"
    with session(org) as s:
        assert s.execute(asked, [A, entity]).fetchone() == ("A-2026-00001",)
        with pytest.raises(psycopg.Error, match=r"core\.number_taken"):
            s.execute(asked, [A, entity])
        assert number(s, A) == "A-2026-00002"


def test_a_number_that_is_taken_is_refused(org: Any, series: None) -> None:
    with session(org) as s, s.transaction(force_rollback=True):
        number(s, A)
        s.execute("update core.number_counter set last_number = 0 where org_id = %s", [org.id])
        with pytest.raises(psycopg.Error, match=r"core\.number_taken"):
            number(s, A)


@pytest.mark.parametrize(
    "pattern", ["no number", "{number}", "{year}{number}{month}", "{year}-{number", "{YEAR}{number}"]
)
def test_patterns_that_cannot_be(org: Any, api: Any, pattern: str) -> None:
    response = api(org.admin_token).post(
        "number_series", json={"document_type": A, "pattern": pattern, "reset": "YEAR"}
    )
    assert (response.status_code, response.json()["code"]) == (400, "23514")


def test_number_series_are_not_numbered_through_the_api(org: Any, api: Any) -> None:
    assert api(org.admin_token).post("rpc/next_number", json={"document_type": A}).status_code == 404
