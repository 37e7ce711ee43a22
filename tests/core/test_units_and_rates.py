"""Conversions of quantities and amounts: exact, and refused when there is no way."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def admin(org: Any, api: Any) -> Any:
    return api(org.admin_token)


@pytest.fixture
def convert(admin: Any) -> Any:
    def ask(quantity: Any, from_unit: str, to_unit: str, **more: Any) -> Any:
        body = {"quantity": str(quantity), "from_unit": from_unit, "to_unit": to_unit, **more}
        response = admin.post("rpc/unit_convert", json=body)
        return Decimal(response.text) if response.status_code == 200 else response

    return ask


@pytest.fixture
def item(admin: Any, make: Any) -> Any:
    return make(admin, "items", sku="I", name="I", **{"class": "FABRIC"}, unit_code="MTR")


@pytest.mark.parametrize(
    ("quantity", "source", "target", "expected"),
    [
        ("1", "LBR", "KGM", "0.45359237"),
        ("0.45359237", "KGM", "LBR", "1"),
        ("500", "LBR", "DTN", "2.26796185"),
        ("1", "YRD", "MTR", "0.9144"),
        ("36", "INH", "YRD", "1"),
        ("1", "YDK", "MTK", "0.83612736"),
        ("1", "GRO", "DZN", "12"),
        ("7", "PR", "H87", "14"),
        ("1", "GLL", "INQ", "231"),
        ("1", "TNE", "KGM", "1000"),
        ("1.5", "HUR", "MIN", "90"),
        ("9", "A49", "D34", "1"),
        ("3", "KGM", "KGM", "3"),
        ("-2", "DZN", "C62", "-24"),
        ("1", "H87", "DZN", "0.08333333333333333333"),
    ],
)
def test_units_of_one_dimension(convert: Any, quantity: str, source: str, target: str, expected: str) -> None:
    assert convert(quantity, source, target) == Decimal(expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quantity=st.decimals(min_value="0.000001", max_value="999999999", places=6),
    pair=st.sampled_from(
        [("LBR", "KGM"), ("YRD", "MTR"), ("ONZ", "GRM"), ("DZN", "H87"), ("CWI", "TNE"), ("FTQ", "LTR")]
    ),
)
def test_there_and_back_is_the_same(db: Any, quantity: Decimal, pair: tuple[str, str]) -> None:
    """To the six digits in which quantities are stored nothing is lost, in either direction."""
    there_and_back = "select round(core.convert(core.convert(%s, %s, %s), %s, %s), 6)"
    for source, target in (pair, pair[::-1]):
        assert db.execute(there_and_back, [quantity, source, target, target, source]).fetchone() == (quantity,)


def test_no_way_is_refused(convert: Any, refused: Any) -> None:
    body = refused(convert(1, "KGM", "MTR"), 422, "core.no_conversion")
    assert body["message"] == "There is no conversion from KGM to MTR"
    refused(convert(1, "XBX", "XCT"), 422, "core.no_conversion")
    refused(convert(1, "XBX", "H87"), 422, "core.no_conversion")


def test_an_unknown_unit_is_refused(convert: Any, refused: Any) -> None:
    refused(convert(1, "NOPE", "KGM"), 422, "core.unit_unknown")
    refused(convert(1, "KGM", "nope"), 422, "core.unit_unknown")


def test_conversions_of_an_item_lead_over_several_steps(
    admin: Any, make: Any, convert: Any, item: Any, refused: Any
) -> None:
    own = {"item_id": item["id"]}
    make(admin, "unit_conversions", **own, from_unit="XRO", to_unit="YRD", factor_numerator=50)
    make(admin, "unit_conversions", **own, from_unit="MTR", to_unit="GRM", factor_numerator=1, factor_denominator=3)
    make(admin, "unit_conversions", **own, from_unit="XPX", to_unit="XRO", factor_numerator=12)
    assert convert(2, "XRO", "MTR", **own) == Decimal("91.44")
    assert convert(3, "XRO", "KGM", **own) == Decimal("0.04572")
    assert convert(1, "XPX", "LBR", **own) == Decimal("0.40318138508370411963")
    assert convert("0.04572", "KGM", "XRO", **own) == 3
    refused(convert(2, "XRO", "MTR"), 422, "core.no_conversion")


def test_four_steps_are_too_many(admin: Any, make: Any, convert: Any, item: Any, refused: Any) -> None:
    own = {"item_id": item["id"]}
    chain = ["XPX", "XCT", "XBX", "XPK", "H87"]
    for source, target in pairwise(chain):
        make(admin, "unit_conversions", **own, from_unit=source, to_unit=target, factor_numerator=2)
    assert convert(1, "XCT", "H87", **own) == 8
    refused(convert(1, "XPX", "H87", **own), 422, "core.no_conversion")


def test_the_item_goes_before_the_organisation(admin: Any, make: Any, convert: Any, item: Any) -> None:
    own = {"item_id": item["id"]}
    make(admin, "unit_conversions", from_unit="XBL", to_unit="KGM", factor_numerator=170)
    assert convert(1, "XBL", "KGM", **own) == 170
    make(admin, "unit_conversions", **own, from_unit="XBL", to_unit="XBG", factor_numerator=2)
    make(admin, "unit_conversions", **own, from_unit="XBG", to_unit="KGM", factor_numerator=100)
    assert convert(1, "XBL", "KGM") == 170
    assert convert(1, "XBL", "KGM", **own) == 200  # longer, but of the item alone


def test_a_conversion_holds_on_its_days(admin: Any, make: Any, convert: Any, refused: Any) -> None:
    for valid, factor in (("[2025-01-01,2026-01-01)", 160), ("[2026-01-01,)", 170)):
        make(admin, "unit_conversions", from_unit="XBL", to_unit="KGM", factor_numerator=factor, valid=valid)
    assert convert(1, "XBL", "KGM", on_date="2025-12-31") == 160
    assert convert(1, "XBL", "KGM", on_date="2026-01-01") == 170
    refused(convert(1, "XBL", "KGM", on_date="2024-12-31"), 422, "core.no_conversion")
    backwards = {"from_unit": "KGM", "to_unit": "XBL", "factor_numerator": 1, "valid": "[2025-06-01,2025-07-01)"}
    response = admin.post("unit_conversions", json=backwards)
    assert (response.status_code, response.json()["code"]) == (400, "23P01")


def test_conversions_of_another_organisation_do_not_count(
    new_org: Any, api: Any, make: Any, convert: Any, refused: Any
) -> None:
    make(api(new_org().admin_token), "unit_conversions", from_unit="XBL", to_unit="KGM", factor_numerator=170)
    refused(convert(1, "XBL", "KGM"), 422, "core.no_conversion")


@pytest.fixture
def exchange(admin: Any) -> Any:
    def ask(amount: Any, source: str, target: str, on_date: str | None = "2026-03-15") -> Any:
        body = {"amount": str(amount), "from_currency": source, "to_currency": target, "on_date": on_date}
        response = admin.post("rpc/currency_exchange", json=body)
        return Decimal(response.text) if response.status_code == 200 else response

    return ask


@pytest.fixture
def rate(admin: Any, make: Any) -> Any:
    def enter(source: str, target: str, value: str, valid: str = "[2026-03-01,2026-04-01)") -> Any:
        return make(admin, "exchange_rates", from_currency=source, to_currency=target, rate=value, valid=valid)

    return enter


def test_rates_direct_inverse_and_through_the_base_currency(exchange: Any, rate: Any) -> None:
    rate("EUR", "USD", "1.25")
    rate("USD", "BDT", "120")
    rate("USD", "JPY", "150.5")
    assert exchange(10, "EUR", "USD") == Decimal("12.50")
    assert exchange(10, "USD", "EUR") == Decimal("8.00")
    assert exchange(10, "EUR", "BDT") == Decimal("1500.00")
    assert exchange(1000, "BDT", "JPY") == Decimal(1254)  # 1254.17: yen have no minor unit
    assert exchange(7, "SEK", "SEK") == 7
    rate("EUR", "BDT", "151")
    assert exchange(10, "EUR", "BDT") == Decimal("1510.00")  # the direct one goes first


def test_no_rate_is_refused(exchange: Any, rate: Any, refused: Any) -> None:
    rate("EUR", "USD", "1.25")
    body = refused(exchange(1, "EUR", "SEK"), 422, "core.no_exchange_rate")
    assert body["message"] == "There is no rate from EUR to SEK on 2026-03-15"
    refused(exchange(1, "EUR", "USD", "2026-04-01"), 422, "core.no_exchange_rate")
    refused(exchange(1, "EUR", "XXX"), 422, "core.currency_unknown")


def test_days_of_grace_are_a_setting(admin: Any, exchange: Any, rate: Any, refused: Any) -> None:
    rate("EUR", "USD", "1.25", "[2026-03-01,2026-03-10)")
    refused(exchange(1, "EUR", "USD"), 422, "core.no_exchange_rate")
    admin.post("rpc/setting_put", json={"code": "core.exchange_rate_grace_days", "value": 6})
    assert exchange(1, "EUR", "USD") == Decimal("1.25")
    refused(exchange(1, "EUR", "USD", "2026-03-16"), 422, "core.no_exchange_rate")
    rate("EUR", "USD", "1.30", "[2026-03-10,2026-03-12)")
    assert exchange(1, "EUR", "USD") == Decimal("1.30")  # the newest


def test_rates_of_a_pair_cannot_overlap(admin: Any, rate: Any) -> None:
    rate("EUR", "USD", "1.25")
    row = {"from_currency": "EUR", "to_currency": "USD", "rate": 2}
    response = admin.post("exchange_rates", json={**row, "valid": "[2026-03-31,2026-05-01)"})
    assert (response.status_code, response.json()["code"]) == (400, "23P01")
    rate("EUR", "USD", "1.26", "[2026-04-01,2026-05-01)")
    assert admin.post("exchange_rates", json={**row, "rate": 0, "valid": "[2027-01-01,)"}).status_code == 400


def test_the_lists_are_complete(admin: Any, db: Any) -> None:
    assert db.execute("select count(*) from core.country").fetchone() == (249,)
    assert admin.get("currencies", params={"code": "eq.JPY"}).json()[0]["decimals"] == 0
    assert admin.get("currencies", params={"code": "eq.KWD"}).json()[0] == {
        "code": "KWD", "numeric_code": "414", "name": "Kuwaiti Dinar", "decimals": 3,
    }  # fmt: skip
    assert admin.get("units", params={"code": "eq.LBR"}).json()[0]["symbol"] == "lb"
