"""Pull and push of devices through HTTP: what comes and goes, is lost, refused, overtaken, and what one may not see."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from conftest import Organization
from erpgres.tokens import sign
from events.conftest import done, refused
from wms.conftest import world as world  # a fixture
from wms.support import World

Row = dict[str, Any]
READ = "records.request.read"


@dataclass
class Device:
    """A device that keeps its rows as WatermelonDB would, without merging: what is pulled is what it has."""

    client: httpx.Client
    version: int = 2
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    cursor: int | None = None
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)

    def ask(self, **more: Any) -> Row:
        body = {"device": self.id, "last_pulled_at": self.cursor, "schema_version": self.version, **more}
        answer: Row = done(self.client, "sync_pull", **body)
        return answer

    def pull(self, **more: Any) -> dict[str, tuple[int, int, int]]:
        """Pull once; returns how many rows were created, updated and deleted in tables where there were any."""
        answer = self.ask(**more)
        found = {}
        for table, sets in answer["changes"].items():
            rows = self.tables.setdefault(table, {})
            if answer.get("experimentalStrategy") == "replacement":
                rows.clear()
            assert not {row["id"] for row in sets["created"]} & rows.keys(), f"{table}: created twice"
            assert {row["id"] for row in sets["updated"]} <= rows.keys(), f"{table}: updated before it was created"
            assert set(sets["deleted"]) <= rows.keys(), f"{table}: deleted before it was created"
            rows.update({row["id"]: row for row in sets["created"] + sets["updated"]})
            for key in sets["deleted"]:
                del rows[key]
            if any(sets.values()):
                found[table] = (len(sets["created"]), len(sets["updated"]), len(sets["deleted"]))
        self.cursor = answer["timestamp"]
        return found

    def push(self, **tables: Row) -> httpx.Response:
        """Push {table: {created, updated, deleted}} on top of the last pull."""
        sets = {name: {"created": [], "updated": [], "deleted": [], **given} for name, given in tables.items()}
        body = {"device": self.id, "changes": sets, "last_pulled_at": self.cursor}
        return self.client.post("rpc/sync_push", json=body)

    def pushed(self, **tables: Row) -> Row:
        response = self.push(**tables)
        assert response.status_code == 200, response.text
        answer: Row = response.json()
        return answer

    def command(self, function: str, key: str | None = None, **arguments: Any) -> Row:
        row = {"id": key or str(uuid.uuid4()), "function": function, "arguments": json.dumps(arguments), "sequence": 1}
        self.pushed(commands={"created": [row]})
        self.pull()
        outcome: Row = self.tables["commands"][row["id"]]
        return outcome


@pytest.fixture
def phone(world: World) -> Device:
    """A device of the administrator, after its first pull."""
    device = Device(world.client)
    device.pull()
    return device


@pytest.fixture
def another(world: World, api: Any) -> Device:
    device = Device(api(world.org.admin_token))
    device.pull()
    return device


def draft(world: World, **line: Any) -> tuple[Row, Row]:
    """A document and its line as a device makes them, all columns empty that it does not fill."""
    key = str(uuid.UUID(int=(uuid.uuid4().int & ~(0xFFFF << 64)) | 0x7000 << 64))
    now = world.db.execute("select left(uuidv7()::text, 13)").fetchone()
    assert now is not None
    key = now[0] + key[13:]
    header = {"id": key, "_status": "created", "document_type": "IMPORT", "to_location_id": world.warehouses[0].id}
    made = {"id": str(uuid.uuid4()), "document_id": key, "line_no": 1, "quantity": "2", "unit_code": "", **line}
    return header, {"item_id": world.item() if "item_id" not in line else line["item_id"], **made}


def test_a_first_pull_brings_all_and_the_next_nothing(world: World, phone: Device) -> None:
    assert {"units", "locations", "wms_documents", "records_requests"} <= phone.tables.keys()
    assert len(phone.tables["locations"]) > 8
    cursor = phone.cursor
    assert phone.pull() == {}
    assert phone.cursor == cursor, "a cursor that brought nothing new stays"


def test_rows_come_change_and_go(world: World, phone: Device) -> None:
    item = world.item(name="Bolt")
    assert phone.pull() == {"items": (1, 0, 0)}
    world.db.execute("update core.item set name = 'Nut' where id = %s", [item])
    world.db.execute(
        "insert into core.item_barcode (org_id, barcode, item_id, unit_code) values (%s, '4006381333931', %s, 'C62')",
        [world.org.id, item],
    )
    assert phone.pull() == {"items": (0, 1, 0), "item_barcodes": (1, 0, 0)}
    assert phone.tables["items"][item]["name"] == "Nut"
    world.db.execute("delete from core.item_barcode where org_id = %s", [world.org.id])
    assert phone.pull() == {"item_barcodes": (0, 0, 1)}
    made = world.draft("IMPORT", {"item_id": item, "quantity": 5}, to_location_id=world.warehouses[0].id)
    assert phone.pull() == {"wms_documents": (1, 0, 0), "wms_document_lines": (1, 0, 0)}
    line = next(iter(phone.tables["wms_document_lines"].values()))
    assert (line["quantity"], line["document_id"]) == ("5.000000", made["id"]), "exact numbers are texts"
    assert phone.tables["wms_documents"][made["id"]]["created_at"] > 1_700_000_000_000, "moments are milliseconds"
    world.done("wms_document_post", id=made["id"])
    assert phone.pull() == {"wms_documents": (0, 0, 1), "wms_document_lines": (0, 0, 1)}, "with what belongs to it"


def test_a_late_commit_is_not_skipped(stack: Any, world: World, phone: Device) -> None:
    with psycopg.connect(stack.dsn("migrator")) as slow:
        slow.execute("insert into core.partner (org_id, code, name) values (%s, 'LATE', 'Late')", [world.org.id])
        world.partner()
        assert phone.pull() == {"partners": (1, 0, 0)}
        world.partner()
        assert phone.pull() == {"partners": (1, 0, 0)}
        slow.commit()
    assert phone.pull() == {"partners": (1, 0, 0)}
    assert phone.pull() == {}


def test_a_lost_answer_comes_again(world: World, phone: Device) -> None:
    old, new = world.item(), world.item()
    phone.pull()
    world.db.execute("update core.item set name = 'X' where id = %s", [old])
    world.db.execute("update core.item set name = 'Y' where id = %s", [new])
    made = world.partner()
    lost = phone.ask()
    assert lost["timestamp"] > (phone.cursor or 0)
    world.db.execute("delete from core.partner where id = %s", [made])
    assert phone.pull() == {"items": (0, 2, 0)}, "what the device never got is not removed from it either"
    assert phone.pull() == {}


def test_a_right_brings_rows_and_its_loss_takes_them(world: World, api: Any) -> None:
    org: Organization = world.org
    user = org.user(("records.request.create", "records.document.create", "records.document.read", READ))
    client = api(sign(org.claims(user), org.stack.secret("jwt.key")))
    unit = world.db.execute(
        "insert into core.org_unit (org_id, kind, code, name) values (%s, 'DEPARTMENT', 'HR', 'HR') returning id",
        [org.id],
    ).fetchone()
    assert unit is not None
    document = {"document_number": "1", "name": "Vouchers"}
    done(
        client, "records_storage_request", unit_id=str(unit[0]), documents=[document], is_draft=True,
        destruction_on="2040-01-01",
    )  # fmt: skip
    device = Device(client)
    assert device.pull()["records_requests"] == (1, 0, 0)
    gone = "delete from core.role_permission where org_id = %s and permission = %s"
    role = world.db.execute("select role_id from core.user_role where org_id = %s and user_id = %s", [org.id, user])
    world.db.execute(gone, [org.id, READ])
    assert device.pull() == {"records_requests": (0, 0, 1)}
    world.db.execute(
        "insert into core.role_permission (org_id, role_id, permission) values (%s, %s, %s)",
        [org.id, (role.fetchone() or [0])[0], READ],
    )
    assert device.pull() == {"records_requests": (1, 0, 0)}
    assert device.pull() == {}


def test_one_sees_no_more_than_elsewhere(world: World, new_org: Any, api: Any) -> None:
    world.item()
    partner = world.partner()
    for kind in ("EXPORT", "IMPORT"):
        place = "from_location_id" if kind == "EXPORT" else "to_location_id"
        line = {"item_id": world.item(), "quantity": 1}
        world.draft(
            kind, line, partner_id=partner if kind == "IMPORT" else None, **{place: world.warehouses[0].id}
        )  # fmt: skip
    outside = Device(api(world.org.token(partner_id=partner)))
    found = outside.pull()
    assert found.keys() == {"units", "wms_documents", "wms_document_lines"}
    assert found["wms_documents"] == (1, 0, 0)
    stranger = Device(api(new_org().admin_token))
    assert "items" not in stranger.pull()
    refused(api().post("rpc/sync_pull", json={"device": outside.id}), 401, "42501")
    refused(stranger.client.post("rpc/sync_reset", json={"device": outside.id}), 404, "events.sync_device_unknown")
    assert stranger.client.post("rpc/sync_status", json={"device": outside.id}).json()["devices"] == []


def test_rows_loaded_without_events_come_too(world: World, phone: Device) -> None:
    with world.db.transaction():
        world.db.execute("set local erpgres.bulk_load = 'on'")
        world.item()
        world.db.execute(
            "select events.emit('organization.bulk_loaded', 'organization', %(o)s, '{}', org_id => %(o)s)",
            {"o": world.org.id},
        )
    assert phone.pull() == {"items": (1, 0, 0)}


def test_much_comes_in_parts(world: World, api: Any) -> None:
    for _ in range(4):
        world.item()
    device = Device(api(world.org.admin_token))
    pulls = 0
    while device.pull(max_rows=20):
        pulls += 1
    whole = Device(device.client)
    whole.pull()
    assert pulls > 5
    assert device.tables == whole.tables
    for wrong in ({"max_rows": 0}, {"schema_version": 0}, {"migration": {"tables": [1]}}, {"tables": ["nothing"]}):
        refused(device.client.post("rpc/sync_pull", json={"device": device.id, **wrong}), 400, "events.sync_malformed")


def test_a_schema_grows(world: World, api: Any) -> None:
    world.item(shelf_life_days=7, tracking="LOT")
    device = Device(api(world.org.admin_token), version=1)
    device.pull()
    assert "records_requests" not in device.tables
    assert all("shelf_life_days" not in row for row in device.tables["items"].values())
    device.version = 2
    migration = {
        "from": 1, "tables": ["records_requests", "of_the_app"],
        "columns": [{"table": "items", "columns": ["shelf_life_days"]}],
    }  # fmt: skip
    assert device.pull(migration=migration) == {"items": (0, 1, 0)}
    assert [row["shelf_life_days"] for row in device.tables["items"].values()] == [7]
    assert "records_requests" in device.tables


def test_a_draft_is_made_changed_and_removed(world: World, phone: Device) -> None:
    header, line = draft(world)
    phone.pull()
    phone.pushed(wms_documents={"created": [header]}, wms_document_lines={"created": [line]})
    assert phone.push(wms_documents={"created": [header]}, wms_document_lines={"created": [line]}).status_code == 200
    rows = world.rows("wms_documents")
    assert [(row["id"], row["version"], row["line_count"]) for row in rows] == [(header["id"], rows[0]["version"], 1)]
    for table in ("wms_documents", "wms_document_lines"):  # what was pushed is there, and comes as an update
        phone.tables[table][(header if table == "wms_documents" else line)["id"]] = {}
    assert phone.pull() == {"wms_documents": (0, 1, 0), "wms_document_lines": (0, 1, 0)}
    held = phone.tables["wms_document_lines"][line["id"]]
    assert (held["unit_code"], held["quantity"]) == ("C62", "2.000000"), "empty is not given"
    second = {**draft(world)[1], "document_id": header["id"]}
    phone.pull()
    phone.pushed(
        wms_documents={
            "updated": [{**phone.tables["wms_documents"][header["id"]], "reference": "by phone", "status": "X"}]
        },
        wms_document_lines={"updated": [{**held, "quantity": "3"}], "created": [second]},
    )
    phone.tables["wms_document_lines"][second["id"]] = {}
    phone.pull()
    assert phone.tables["wms_documents"][header["id"]]["reference"] == "by phone"
    assert phone.tables["wms_documents"][header["id"]]["status"] == "DRAFT", "what a device may not write is put back"
    assert phone.tables["wms_document_lines"][line["id"]]["quantity"] == "3.000000"
    phone.pushed(wms_document_lines={"deleted": [line["id"]]})
    del phone.tables["wms_document_lines"][line["id"]]
    phone.pull()
    assert [row["id"] for row in world.rows("wms_document_lines")] == [second["id"]]
    phone.pushed(wms_documents={"deleted": [header["id"]]}, wms_document_lines={"deleted": [second["id"]]})
    assert phone.pushed(wms_documents={"deleted": [header["id"]]})["experimentalRejectedIds"] == {}, "gone is gone"
    assert world.rows("wms_documents") == []


def test_who_comes_second_pulls_first(world: World, phone: Device, another: Device) -> None:
    header, line = draft(world)
    phone.pushed(wms_documents={"created": [header]}, wms_document_lines={"created": [line]})
    for device in (phone, another):
        device.tables.clear()
        device.cursor = None
        device.pull()
    mine = {**another.tables["wms_documents"][header["id"]], "reference": "two"}
    phone.pushed(wms_documents={"updated": [{**phone.tables["wms_documents"][header["id"]], "reference": "one"}]})
    details = refused(another.push(wms_documents={"updated": [mine]}), 409, "events.sync_conflict")
    assert header["id"] in json.dumps(details)
    assert another.pull() == {"wms_documents": (0, 1, 0)}
    another.pushed(wms_documents={"updated": [{**another.tables["wms_documents"][header["id"]], "reference": "two"}]})
    assert world.rows("wms_documents")[0]["reference"] == "two"
    removed = phone.push(wms_documents={"deleted": [header["id"]]})
    refused(removed, 409, "events.sync_conflict")
    another.cursor = (another.cursor or 0) + 7
    refused(another.push(), 409, "events.sync_behind")
    unknown = {"device": str(uuid.uuid4()), "changes": {}, "last_pulled_at": 1}
    refused(another.client.post("rpc/sync_push", json=unknown), 409, "events.sync_behind")


def test_a_refusal_is_kept_until_the_draft_is_right(world: World, phone: Device) -> None:
    good, good_line = draft(world)
    bad, bad_line = draft(world, quantity="-1")
    phone.pull()
    answer = phone.pushed(wms_documents={"created": [good, bad]}, wms_document_lines={"created": [good_line, bad_line]})
    assert answer["experimentalRejectedIds"] == {"wms_documents": [bad["id"]], "wms_document_lines": [bad_line["id"]]}
    assert {refusal["code"] for refusal in answer["refusals"]} == {"wms.line_quantity_not_positive"}
    assert [row["id"] for row in world.rows("wms_documents")] == [good["id"]]
    for table, row in (("wms_documents", good), ("wms_document_lines", good_line)):
        phone.tables[table][row["id"]] = {}
    assert phone.pull()["sync_refusals"] == (1, 0, 0)
    (kept,) = phone.tables["sync_refusals"].values()
    assert (kept["row_id"], kept["code"]) == (bad["id"], "wms.line_quantity_not_positive")
    bad_line["quantity"] = "1"
    assert phone.pushed(wms_documents={"created": [bad]}, wms_document_lines={"created": [bad_line]})["refusals"] == []
    for table, row in (("wms_documents", bad), ("wms_document_lines", bad_line)):
        phone.tables[table][row["id"]] = {}
    assert phone.pull()["sync_refusals"] == (0, 0, 1)


def test_what_cannot_be_pushed_stays_on_the_device(world: World, phone: Device) -> None:
    item = next(iter(phone.tables["locations"]))
    answer = phone.pushed(
        locations={"updated": [{"id": item, "name": "Mine"}]}, nothing={"created": [{"id": str(uuid.uuid4())}]},
        wms_documents={"created": [{"id": "abc"}]}, wms_document_lines={"created": [{"id": str(uuid.uuid4())}]},
    )  # fmt: skip
    codes = {refusal["table"]: refusal["code"] for refusal in answer["refusals"]}
    assert codes == {
        "locations": "events.sync_read_only", "nothing": "events.sync_table", "wms_documents": "events.sync_id",
        "wms_document_lines": "events.sync_line",
    }  # fmt: skip
    assert answer["experimentalRejectedIds"].keys() == codes.keys()
    for malformed in (
        [],
        {"items": []},
        {"items": {"created": {}}},
        {"items": {"created": [{}]}},
        {"items": {"deleted": [1]}},
    ):
        body = {"device": phone.id, "changes": malformed, "last_pulled_at": phone.cursor}
        refused(phone.client.post("rpc/sync_push", json=body), 400, "events.sync_malformed")


def test_a_command_is_executed_once(world: World, phone: Device) -> None:
    one = world.warehouses[0]
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 10}, to_location_id=one.id)
    phone.pull()
    key = str(uuid.uuid4())
    move = {
        "from_position_id": one.receiving, "to_position_id": one.storage, "item_id": item, "quantity": 4,
        "reason": "Tidied",
    }  # fmt: skip
    row = {"id": key, "function": "wms_stock_move", "arguments": json.dumps(move), "sequence": 1}
    phone.pushed(commands={"created": [row]})
    phone.pushed(commands={"created": [row]})  # its answer was lost
    phone.tables["commands"][key] = {}
    phone.pull()
    phone.pushed(commands={"updated": [row]})
    assert phone.tables["commands"][key]["outcome"] == "DONE"
    assert json.loads(phone.tables["commands"][key]["result"])["status"] == "POSTED"
    assert world.stock(location_id=f"eq.{one.storage}") == {(item, one.storage): 4}
    phone.pull()
    phone.pushed(commands={"deleted": [key]})
    phone.tables["commands"].clear()
    assert phone.pull() == {}
    phone.pushed(commands={"created": [row]})
    assert world.stock(location_id=f"eq.{one.storage}") == {(item, one.storage): 4}, "put out of sight, and still known"


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("user_disable", {}, "events.sync_function"),
        ("wms_document_post", {"id": str(uuid.uuid4())}, "wms.document_not_found"),
        ("wms_document_post", {}, "events.sync_argument_missing"),
        ("wms_document_post", {"id": str(uuid.uuid4()), "x": 1}, "events.sync_argument"),
        ("wms_document_post", {"id": "x"}, "22P02"),
    ],
)
def test_a_refused_command_says_why(phone: Device, function: str, arguments: Row, code: str) -> None:
    key = str(uuid.uuid4())
    phone.tables["commands"][key] = {}
    outcome = phone.command(function, key, **arguments)
    assert (outcome["outcome"], outcome["code"]) == ("REFUSED", code)
    assert outcome["message"]


def test_a_command_alone_fails(world: World, phone: Device) -> None:
    """What comes before and after it in a push is done."""
    item = world.item()
    documents = [
        world.draft("IMPORT", {"item_id": item, "quantity": 1}, to_location_id=world.warehouses[0].id)["id"]
        for _ in "ab"
    ]
    phone.pull()
    ids = [documents[0], str(uuid.uuid4()), documents[1]]
    rows = [
        {"id": str(uuid.uuid4()), "function": "wms_document_post", "arguments": json.dumps({"id": key}), "sequence": n}
        for n, key in enumerate(ids)
    ]
    phone.pushed(commands={"created": list(reversed(rows))})
    phone.tables["commands"] = {row["id"]: {} for row in rows}
    phone.pull()
    assert [phone.tables["commands"][row["id"]]["outcome"] for row in rows] == ["DONE", "REFUSED", "DONE"]
    made = [world.rows("wms_documents", id=f"eq.{key}")[0]["number"] for key in documents]
    assert made == sorted(made), "in the order of their sequence"


def test_many_changes_are_taken_in_parts(world: World, phone: Device) -> None:
    pairs = [draft(world, item_id=None) for _ in range(33)]
    answer = phone.pushed(
        wms_documents={"created": [header for header, _ in pairs]},
        wms_document_lines={"created": [line for _, line in pairs]},
        commands={
            "created": [{"id": str(uuid.uuid4()), "function": "wms_count_start", "arguments": "{}", "sequence": 1}]
        },
    )
    assert answer["has_more"]
    assert len(answer["refusals"]) == 60, "thirty drafts and their lines were tried"
    assert {table: len(ids) for table, ids in answer["experimentalRejectedIds"].items()} == {
        "wms_documents": 33, "wms_document_lines": 33, "commands": 1,
    }  # fmt: skip


def test_a_reset_brings_back_what_is_on_the_server(world: World, phone: Device) -> None:
    item = world.item()
    phone.pull()
    del phone.tables["items"][item]  # thrown away on the device
    done(phone.client, "sync_reset", device=phone.id, rows={"items": [item]})
    assert phone.pull() == {"items": (1, 0, 0)}
    refused(
        phone.client.post("rpc/sync_reset", json={"device": phone.id, "rows": {"items": {}}}),
        400,
        "events.sync_malformed",
    )
    before = json.loads(json.dumps(phone.tables))
    phone.tables["items"]["left over"] = {}
    done(phone.client, "sync_reset", device=phone.id)
    answer = phone.ask()
    assert answer["experimentalStrategy"] == "replacement"
    phone.pull()
    assert phone.tables == before
    (status,) = done(phone.client, "sync_status", device=phone.id)["devices"]
    assert (status["timestamp"], status["rows"]["items"]) == (phone.cursor, 1)
    done(phone.client, "sync_reset", device=phone.id, is_removed=True)
    assert done(phone.client, "sync_status", device=phone.id)["devices"] == []


def test_a_user_has_twenty_devices(world: World, phone: Device) -> None:
    user = world.org.users["admin"]
    world.db.execute(
        "insert into events.sync_device (org_id, user_id, device) select %s, %s, uuidv7() from generate_series(1, 19)",
        [world.org.id, user],
    )
    refused(phone.client.post("rpc/sync_pull", json={"device": str(uuid.uuid4())}), 409, "events.sync_too_many_devices")
    world.db.execute(
        "update events.sync_device set created_at = now() - interval '91 days' where org_id = %s and pulled_at is null",
        [world.org.id],
    )
    assert world.db.execute("select events.purge_sync() ->> 'devices'").fetchone() == ("19",)


def test_pulls_at_once_follow_one_another(stack: Any, world: World, phone: Device, acting: Any) -> None:
    with psycopg.connect(stack.dsn("migrator")) as other:
        other.execute("select from events.sync_device where device = %s for update", [phone.id])
        with (
            acting(world.org, world.org.users["admin"]) as session,
            pytest.raises(psycopg.Error, match=r"events\.sync_busy") as busy,
        ):
            session.execute("set local lock_timeout = '100ms'")  # a request would wait as long as its role may
            session.execute("select api.sync_pull(%s)", [phone.id])
        assert json.loads(busy.value.diag.message_detail or "")["status"] == 503
    phone.pull()
