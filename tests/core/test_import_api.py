"""Imports through the API: staging, the preview, refused rows, the commit, and who may do and see what."""

from __future__ import annotations

import json
from typing import Any

import httpx
import psycopg
import pytest

from conftest import Organization

Db = psycopg.Connection[Any]
ITEMS = [{"sku": f"A{n}", "name": f"Item {n}", "class": "GOODS", "unit": "H87"} for n in range(5)]


def called(client: httpx.Client, function: str, **values: Any) -> Any:
    response = client.post(f"rpc/{function}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def numbers(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[f"{name}_count"] for name in ("row", "insert", "update", "unchanged", "refused"))


@pytest.fixture
def client(org: Organization, api: Any) -> httpx.Client:
    found: httpx.Client = api(org.admin_token)
    return found


def test_rows_are_staged_seen_and_committed(client: httpx.Client, org: Organization, db: Db) -> None:
    staged = called(client, "import_stage", entity="items", rows=ITEMS, source_name="a.json")
    assert numbers(staged) == (5, 5, 0, 0, 0)
    assert (staged["committed_at"], staged["source_name"], staged["duplicate_of"]) == (None, "a.json", None)
    assert client.get("items").json() == []

    done = called(client, "import_commit", id=staged["id"])
    assert numbers(done) == (5, 5, 0, 0, 0) and done["committed_at"]
    items = client.get("items", params={"order": "sku"}).json()
    assert [item["sku"] for item in items] == [f"A{n}" for n in range(5)]
    assert {item["created_by"] for item in items} == {str(org.users["admin"])}

    again = called(client, "import_stage", entity="items", rows=ITEMS)
    assert again["duplicate_of"] == staged["id"]
    assert numbers(again) == (5, 0, 0, 5, 0)
    changed = [*ITEMS[:4], {**ITEMS[4], "name": "Changed"}, {**ITEMS[4], "sku": "A5"}]
    staged = called(client, "import_stage", entity="items", rows=changed)
    assert numbers(staged) == (6, 1, 1, 4, 0)
    assert numbers(called(client, "import_commit", id=staged["id"])) == (6, 1, 1, 4, 0)


def test_csv_is_read_as_the_command_reads_it(client: httpx.Client) -> None:
    text = (
        '\ufeffArticle No.;Name;Class;UoM;Price;Currency\r\nA;"Two\r\nlines; ""quoted""";goods;h87;1.234,5;usd\r\n\r\n'
        "B;x;goods;h87\r\n"
    )
    staged = called(client, "import_stage", entity="items", csv=text, decimal=",")
    assert numbers(staged) == (2, 1, 0, 0, 1)
    assert [entry["column"] for entry in staged["headers"]] == [
        "sku", "name", "class", "unit_code", "price", "currency",
    ]  # fmt: skip
    refused = client.get("import_rows", params={"import_id": f"eq.{staged['id']}"}).json()
    assert [(row["line"], row["problems"][0]["code"]) for row in refused] == [(5, "core.import_cells")]
    called(client, "import_commit", id=staged["id"], skip_invalid=True)
    item = client.get("items").json()[0]
    assert (item["sku"], item["name"], item["price"]) == ("A", 'Two\r\nlines; "quoted"', 1234.5)


def test_json_numbers_have_a_point_whatever_the_text_has(client: httpx.Client) -> None:
    rows = [{**ITEMS[0], "price": 1.125, "currency": "USD"}, {**ITEMS[1], "price": "1,125", "currency": "USD"}]
    staged = called(client, "import_stage", entity="items", rows=rows, decimal=",")
    called(client, "import_commit", id=staged["id"])
    assert [item["price"] for item in client.get("items").json()] == [1.125, 1.125]


def test_refused_rows_say_why_and_nothing_is_loaded(client: httpx.Client, refused: Any) -> None:
    rows = [*ITEMS, {**ITEMS[0], "name": "Twice"}, {"sku": "X", "name": " ", "class": "THING", "unit": "H87"}]
    staged = called(client, "import_stage", entity="items", rows=rows)
    assert numbers(staged) == (7, 5, 0, 0, 2)
    refused(client.post("rpc/import_commit", json={"id": staged["id"]}), 422, "core.import_rows_refused")
    assert client.get("items").json() == []
    params = {"import_id": f"eq.{staged['id']}", "order": "line"}
    found = client.get("import_rows", params=params).json()
    assert [row["line"] for row in found] == [6, 7]
    assert found[0]["problems"] == [
        {"column": "sku", "code": "core.import_duplicate", "value": "A0",
         "message": "The same sku stands in line 1 already"}
    ]  # fmt: skip
    assert [(p["column"], p["code"]) for p in found[1]["problems"]] == [
        ("name", "core.import_required"), ("class", "core.import_choice"),
    ]  # fmt: skip
    assert found[1]["problems"][1]["message"].startswith("THING is none of GOODS")
    assert client.get("import_rows", params={**params, "line": "gt.6"}).json() == found[1:]
    done = called(client, "import_commit", id=staged["id"], skip_invalid=True)
    assert numbers(done) == (7, 5, 0, 0, 2) and done["is_partial"]
    refused(client.post("rpc/import_commit", json={"id": staged["id"]}), 409, "core.import_committed")


def test_what_the_table_refuses_comes_back_by_row(client: httpx.Client, refused: Any) -> None:
    """An overlap shows when the row is written: all is undone, and the reason stays to be read."""
    rows = [
        {"from": "EUR", "to": "USD", "rate": 1.1, "valid_from": f"2026-0{n}-01", "valid_to": f"2026-0{n}-28"}
        for n in range(1, 7)
    ]
    rows[2]["valid_to"] = "2026-04-15"
    staged = called(client, "import_stage", entity="exchange_rates", rows=rows)
    assert numbers(staged) == (6, 6, 0, 0, 0)
    refused(client.post("rpc/import_commit", json={"id": staged["id"]}), 422, "core.import_rows_refused")
    assert client.get("exchange_rates").json() == []
    found = client.get("import_rows", params={"import_id": f"eq.{staged['id']}"}).json()
    assert [(row["line"], row["problems"][0]["code"]) for row in found] == [(4, "core.import_constraint")]
    assert found[0]["problems"][0]["value"] == "one_rate_at_a_time"
    assert numbers(called(client, "import_commit", id=staged["id"], skip_invalid=True)) == (6, 5, 0, 0, 1)


def test_the_commit_looks_again(client: httpx.Client, make: Any, refused: Any) -> None:
    """What was free when it was staged may be taken when it is committed."""
    rows = [{"code": "P1", "name": "One", "vat": "V1"}]
    staged = called(client, "import_stage", entity="partners", rows=rows)
    make(client, "partners", code="P0", name="Zero", tax_id="V1")
    refused(client.post("rpc/import_commit", json={"id": staged["id"]}), 422, "core.import_rows_refused")


def test_it_needs_the_permissions_that_the_rows_need(org: Organization, api: Any, refused: Any) -> None:
    def stage(*permissions: str) -> httpx.Response:
        response: httpx.Response = api(org.token(permissions)).post(
            "rpc/import_stage", json={"entity": "items", "rows": ITEMS}
        )
        return response

    refused(stage("core.item.create"), 403, "core.permission_missing")
    refused(stage("core.import.create"), 403, "core.permission_missing")
    assert stage("core.import.create", "core.item.create").status_code == 200
    keeper = stage("core.import.create", "core.item.update").json()
    assert numbers(keeper) == (5, 0, 0, 0, 5)
    refused(
        api(org.token(partner_id=None)).post("rpc/import_commit", json={"id": keeper["id"]}),
        403,
        "core.permission_missing",
    )


def test_a_permission_taken_meanwhile_is_missed(org: Organization, api: Any, db: Db, refused: Any, stack: Any) -> None:
    from erpgres.tokens import sign

    user_id = org.user(["core.import.create", "core.item.create"])
    client = api(sign(org.claims(user_id), stack.secret("jwt.key")))
    staged = called(client, "import_stage", entity="items", rows=ITEMS)
    db.execute(
        "delete from core.role_permission p using core.user_role u where u.org_id = p.org_id and u.role_id = p.role_id"
        " and u.user_id = %s and p.permission = 'core.item.create'",
        [user_id],
    )
    refused(client.post("rpc/import_commit", json={"id": staged["id"]}), 403, "core.permission_missing")
    assert client.get("items").json() == []


def test_imports_are_seen_by_who_made_them_and_by_readers(
    org: Organization, new_org: Any, api: Any, refused: Any
) -> None:
    rights = ["core.import.create", "core.item.create"]
    maker, other, reader = api(org.token(rights)), api(org.token(rights)), api(org.token(["core.import.read"]))
    staged = called(maker, "import_stage", entity="items", rows=[{**ITEMS[0], "class": "?"}])
    stranger = api(new_org().admin_token)
    for who, count in ((maker, 1), (reader, 1), (other, 0), (stranger, 0)):
        assert len(who.get("imports").json()) == count
        assert len(who.get("import_rows").json()) == count
    for who in (other, stranger):
        refused(who.post("rpc/import_commit", json={"id": staged["id"]}), 404, "core.not_found")
    # Staged rows are written by staging alone.
    for view, values in (("imports", {"row_count": 1}), ("import_rows", {"problems": None})):
        assert maker.post(view, json=values).status_code == 403
        assert maker.patch(view, params={"org_id": f"eq.{org.id}"}, json=values).status_code == 403


def test_an_external_user_cannot_import(org: Organization, api: Any, client: httpx.Client, make: Any) -> None:
    partner = make(client, "partners", code="P", name="P")["id"]
    response = api(org.token(partner_id=partner)).post("rpc/import_stage", json={"entity": "items", "rows": ITEMS})
    assert response.status_code in (401, 403, 404)


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"entity": "items"}, 422, "core.import_source"),
        ({"entity": "items", "rows": {"a": 1}}, 422, "core.import_source"),
        ({"entity": "items", "rows": [1]}, 422, "core.import_source"),
        ({"entity": "items", "rows": ITEMS, "csv": "a"}, 422, "core.import_source"),
        ({"entity": "items", "rows": []}, 422, "core.import_empty"),
        ({"entity": "items", "csv": "sku,name,class,unit\n"}, 422, "core.import_empty"),
        ({"entity": "item", "rows": ITEMS}, 422, "core.import_entity_unknown"),
        ({"entity": "items", "rows": [{"sku": "A"}]}, 422, "core.import_header_missing"),
        ({"entity": "items", "rows": [{**ITEMS[0], "Article": "B"}]}, 422, "core.import_header_twice"),
        ({"entity": "items", "rows": ITEMS, "mapping": {"sku": "colour"}}, 422, "core.import_mapping_unknown"),
        ({"entity": "items", "rows": ITEMS, "mapping": {"Farbe": "name"}}, 422, "core.import_mapping_unknown"),
        ({"entity": "items", "rows": ITEMS, "mapping": ["sku"]}, 422, "core.import_mapping_unknown"),
        ({"entity": "items", "rows": ITEMS, "decimal": "'"}, 422, "core.import_option"),
        ({"entity": "items", "rows": ITEMS, "date_format": "MM.YY"}, 422, "core.import_option"),
        ({"entity": "items", "csv": "sku#name", "delimiter": "#"}, 422, "core.import_option"),
    ],
)
def test_what_cannot_be_staged(
    client: httpx.Client, refused: Any, values: dict[str, Any], status: int, code: str
) -> None:
    refused(client.post("rpc/import_stage", json=values), status, code)


def test_large_files_are_left_to_the_command(client: httpx.Client, db: Db, refused: Any) -> None:
    text = "sku,name,class,unit\n" + "".join(f"A{n},N,GOODS,H87\n" for n in range(10_001))
    response = client.post("rpc/import_stage", json={"entity": "items", "csv": text})
    assert json.loads(refused(response, 413, "core.import_too_large")["details"])["rows"] == 10_001


def test_rows_go_after_a_day(client: httpx.Client, org: Organization, db: Db, stack: Any, refused: Any) -> None:
    staged = called(client, "import_stage", entity="items", rows=ITEMS)
    old = "01900000-0000-7000-8000-000000000000"  # made in 2024
    db.execute(
        "insert into core.import (org_id, id, entity, source_sha256, headers, columns, row_count)"
        " values (%s, %s, 'items', repeat('0', 64), '[]', '{sku}', 1)",
        [org.id, old],
    )
    db.execute(
        'insert into core.import_row (org_id, import_id, line, data) values (%s, %s, 2, \'{"sku": "A"}\')',
        [org.id, old],
    )
    with psycopg.connect(stack.dsn("worker")) as worker:
        row = worker.execute("select core.purge_imports()").fetchone()
    assert row is not None and row[0] >= 1
    assert db.execute("select count(*) from core.import_row where org_id = %s", [org.id]).fetchone() == (5,)
    refused(client.post("rpc/import_commit", json={"id": old}), 409, "core.import_expired")
    called(client, "import_commit", id=staged["id"])


def test_what_can_be_imported_is_listed(client: httpx.Client, org: Organization, api: Any) -> None:
    entities = client.get("import_entities", params={"order": "code"}).json()
    assert "items" in {entity["code"] for entity in entities}
    columns = client.get("import_columns", params={"entity": "eq.items", "order": "place"}).json()
    assert columns[0]["name"] == "sku" and "article no" in columns[0]["aliases"]
