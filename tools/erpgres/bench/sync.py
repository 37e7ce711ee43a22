"""Whether devices end equal to the server, whatever happened to them: a random schedule on real WatermelonDB databases.

Two people with a device each work on the same warehouse: drafts made, changed and removed on both and on the server at
once, commands, refusals, answers that are lost after the server acted, pushes overtaken by somebody else, transactions
that commit late, rights that are given and taken, rows loaded without events, a device that is reset, one whose schema
grows, clocks a day before and after the right one. In the end everybody synchronises, gives up what was refused, and
each device is compared with what its user sees, row by row and column by column; and each command with its effect.

`bug` breaks a device on purpose, to show that the check finds something: `cursor` goes on from an answer that was lost.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from erpgres.bench.sync_devices import Connection, DeviceError, Devices, devices, differences, expected, schema
from erpgres.errors import CannotRun
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

Progress = Callable[[str], None]

BUGS = ("cursor",)
DAY = 86_400_000
LOST = "lost"
READ = "records.request.read"
RIGHTS = (
    "wms.document.create", "wms.document.update", "wms.document.delete", "wms.document.post", "wms.document.cancel",
    "wms.stock.move", READ,
)  # fmt: skip
DUTIES = ("records.request.create", READ)


@dataclass
class Outcome:
    """What happened in all runs, and what the comparison found: one text a difference, each with its run."""

    runs: int = 0
    seed: int = 0
    bug: str | None = None
    did: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    problems: list[str] = field(default_factory=list)

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "did": dict(self.did), "calls": dict(self.calls)}


@dataclass
class Person:
    """Somebody with a device."""

    name: str
    claims: dict[str, Any]
    role_id: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    version: int = 1
    commands: dict[str, str] = field(default_factory=dict)
    sequence: int = 0


def check(state: State, runs: int, seed: int, steps: int, bug: str | None, progress: Progress) -> Outcome:
    """Make `runs` runs of `steps` steps each, in an organisation of its own each; the same seed makes the same choices.

    Raises CannotRun when the client library cannot be installed.
    """
    outcome = Outcome(runs, seed, bug)
    with devices() as nodes, psycopg.connect(state.dsn("migrator"), autocommit=True) as connection:
        for number in range(runs):
            run = Run(state, connection, nodes, random.Random(f"{seed}/{number}"), bug, outcome)
            try:
                found = run.play(steps)
            finally:
                run.close()
            outcome.problems += [f"run {number}: {problem}" for problem in found]
            if (number + 1) % 10 == 0:
                progress(f"{number + 1} of {runs} runs, {len(outcome.problems)} problems")
    return outcome


class Run:
    """One run: an organisation, two people, what they do."""

    def __init__(
        self,
        state: State,
        connection: Connection,
        nodes: Devices,
        choice: random.Random,
        bug: str | None,
        outcome: Outcome,
    ) -> None:
        self.state = state
        self.db = connection
        self.nodes = nodes
        self.choice = choice
        self.bug = bug
        self.outcome = outcome
        self.columns = schema(connection)
        self.late: list[Connection] = []
        self.clients: list[httpx.Client] = []
        self._make_world()

    # The world

    def _make_world(self) -> None:
        code = f"S{uuid.uuid4().hex[:12].upper()}"
        self.org_id = str(self._one("select core.create_organization(%s, %s, 'BD', 'USD')", code, f"Sync {code}"))
        self.admin = self._person("admin", administrator=True)
        self.people = [self._person("one"), self._person("two")]
        self.client = self._client(self.admin)
        self.warehouse = self.call("wms_warehouse_create", code="W", name="Warehouse")["id"]
        positions = self._rows("wms_positions", warehouse_id=f"eq.{self.warehouse}")
        self.positions = {row["code"]: row["id"] for row in positions}
        self.items = [self._item() for _ in range(5)]
        self.unit = str(
            self._one(
                "insert into core.org_unit (org_id, kind, code, name) "
                "values (%s, 'DEPARTMENT', 'HR', 'HR') returning id",
                self.org_id,
            )
        )
        stock = [{"item_id": item, "quantity": 50} for item in self.items]
        made = self.call("wms_document_create", document_type="IMPORT", lines=stock, to_location_id=self.warehouse)
        self.call("wms_document_post", id=made["id"])
        for person in self.people:
            token = sign(person.claims, self.state.secret("jwt.key"), 600)
            self.nodes.ask(
                "open",
                person.id,
                url=f"{self.state.url}/api",
                token=token,
                columns=self.columns,
                version=1,
                bug=self.bug,
            )
            self.nodes.ask("set", person.id, offset=self.choice.choice((-DAY, 0, DAY)))

    def _person(self, name: str, *, administrator: bool = False) -> Person:
        tag = uuid.uuid4().hex[:12]
        user = self._one(
            "insert into core.app_user (email, name, kind) values (%s, %s, 'INTERNAL') returning id",
            f"{tag}@example.com", name,
        )  # fmt: skip
        self.db.execute(
            "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [self.org_id, user]
        )
        role = self._one(
            "insert into core.role (org_id, code, name, is_administrator) values (%s, %s, %s, %s) returning id",
            self.org_id, f"r_{tag}", name, administrator,
        )  # fmt: skip
        for permission in DUTIES if administrator else RIGHTS:
            self.db.execute("insert into core.role_permission values (%s, %s, %s)", [self.org_id, role, permission])
        self.db.execute(
            "insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [self.org_id, user, role]
        )
        claims = {"role": "member", "sub": str(user), "org_id": self.org_id}
        claims["sid"] = open_session(self.db, claims, 600)
        return Person(name, claims, str(role))

    def _client(self, person: Person) -> httpx.Client:
        token = sign(person.claims, self.state.secret("jwt.key"), 600)
        client = httpx.Client(
            base_url=f"{self.state.url}/api/", headers={"Authorization": f"Bearer {token}"}, timeout=60, verify=False
        )
        self.clients.append(client)
        return client

    def close(self) -> None:
        """End what the run holds open."""
        for connection in self.late:
            connection.close()
        for client in self.clients:
            client.close()

    def _one(self, query: str, *values: Any) -> Any:
        row = self.db.execute(query, values).fetchone()
        return row and row[0]

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function as the administrator; None when it is refused."""
        answer = self.client.post(f"rpc/{function}", json=arguments)
        if answer.status_code >= 500:
            raise CannotRun(f"{function} failed: {answer.text}")
        return answer.json() if answer.status_code < 300 else None

    def _rows(self, view: str, **query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.client.get(view, params={"limit": "100", **query}).raise_for_status().json()
        return rows

    # What is done on the server

    def _item(self) -> str:
        return str(
            self._one(
                "insert into core.item (org_id, sku, name, class, tracking, unit_code) "
                "values (%s, %s, 'Thing', 'GOODS', 'NONE', 'C62') returning id",
                self.org_id, f"SKU-{uuid.uuid4().hex[:10]}",
            )
        )  # fmt: skip

    def _line(self) -> dict[str, Any]:
        return {"item_id": self.choice.choice(self.items), "quantity": str(self.choice.randint(1, 9))}

    def _documents(self, kind: str) -> None:
        lines = [self._line() for _ in range(self.choice.randint(1, 3))]
        place = "to_location_id" if kind == "IMPORT" else "from_location_id"
        self.call("wms_document_create", document_type=kind, lines=lines, **{place: self.warehouse})

    def _draft(self) -> dict[str, Any] | None:
        drafts = self._rows("wms_documents", status="eq.DRAFT", order="id")
        return self.choice.choice(drafts) if drafts else None

    def _server_makes(self) -> None:
        self._documents(self.choice.choice(("IMPORT", "EXPORT")))

    def _server_edits(self) -> None:
        draft = self._draft()
        if draft and self.choice.random() < 0.5:
            values = {"reference": f"server {self.choice.randint(1, 999)}", "version": draft["version"]}
            self.client.patch("wms_documents", params={"id": f"eq.{draft['id']}"}, json=values)
        elif draft:
            lines = self._rows("wms_document_lines", document_id=f"eq.{draft['id']}", order="line_no")
            kept = [{k: line[k] for k in ("id", "item_id", "quantity", "unit_code")} for line in lines]
            self.choice.choice(kept)["quantity"] = self.choice.randint(1, 9)
            if self.choice.random() < 0.4:
                kept.append(self._line())
            elif len(kept) > 1:
                kept.pop(self.choice.randrange(len(kept)))
            self.call("wms_document_lines_put", id=draft["id"], version=draft["version"], lines=kept)

    def _server_ends(self) -> None:
        draft = self._draft()
        if draft:
            function = self.choice.choice(("wms_document_post", "wms_document_delete"))
            extra = {"version": draft["version"]} if function == "wms_document_delete" else {}
            self.call(function, id=draft["id"], **extra)

    def _server_items(self) -> None:
        item = self.choice.choice(self.items)
        if self.choice.random() < 0.3:
            self.items.append(self._item())
        elif self.choice.random() < 0.5:
            self.db.execute(
                "update core.item set name = %s where org_id = %s and id = %s",
                [f"Thing {self.choice.randint(1, 999)}", self.org_id, item],
            )
        elif self.choice.random() < 0.6:
            self.db.execute(
                "insert into core.item_barcode (org_id, barcode, item_id, unit_code) values (%s, %s, %s, 'C62')",
                [self.org_id, f"B{uuid.uuid4().hex[:10]}", item],
            )
        else:
            self.db.execute("delete from core.item_barcode where org_id = %s and item_id = %s", [self.org_id, item])

    def _server_loads(self) -> None:
        with self.db.transaction():
            self.db.execute("set local erpgres.bulk_load = 'on'")
            self.items.append(self._item())
            self.db.execute(
                "select events.emit('organization.bulk_loaded', 'organization', %s, '{}', org_id => %s)",
                [self.org_id, self.org_id],
            )

    def _server_is_slow(self) -> None:
        """Change something in a transaction that commits later."""
        if len(self.late) >= 2:
            return
        connection = psycopg.connect(self.state.dsn("migrator"))
        connection.execute(
            "insert into core.partner (org_id, code, name) values (%s, %s, 'Late')", [self.org_id, uuid.uuid4().hex[:8]]
        )
        connection.execute(
            "insert into core.item_barcode (org_id, barcode, item_id, unit_code) values (%s, %s, %s, 'C62')",
            [self.org_id, f"L{uuid.uuid4().hex[:10]}", self.items[-1]],
        )
        self.late.append(connection)

    def _server_commits(self) -> None:
        if self.late:
            connection = self.late.pop(self.choice.randrange(len(self.late)))
            if self.choice.random() < 0.8:
                connection.commit()
            connection.close()

    def _server_asks(self) -> None:
        """A request for the archive, which only some may see."""
        document = {"document_number": uuid.uuid4().hex[:8], "name": "Vouchers"}
        self.call(
            "records_storage_request", unit_id=self.unit, documents=[document], purpose="Storage", is_draft=True,
            destruction_on="2040-01-01",
        )  # fmt: skip

    def _server_rights(self) -> None:
        person = self.choice.choice(self.people)
        what = self.choice.choice((READ, READ, "wms.document.update"))
        values = [self.org_id, person.role_id, what]
        gone = self.db.execute(
            "delete from core.role_permission where org_id = %s and role_id = %s and permission = %s", values
        )
        if not gone.rowcount:
            self.db.execute("insert into core.role_permission values (%s, %s, %s)", values)

    def _server_moves_role(self) -> None:
        """Hold the role in a unit only, or everywhere again."""
        person = self.choice.choice(self.people)
        unit = self.choice.choice((None, self.unit))
        with self.db.transaction():
            self.db.execute(
                "delete from core.user_role where org_id = %s and user_id = %s", [self.org_id, person.claims["sub"]]
            )
            self.db.execute(
                "insert into core.user_role (org_id, user_id, role_id, unit_id) values (%s, %s, %s, %s)",
                [self.org_id, person.claims["sub"], person.role_id, unit],
            )

    # What is done on a device

    def _held(self, person: Person, table: str, **where: Any) -> list[dict[str, Any]]:
        rows = self.nodes.rows(person.id)[table].values()
        return sorted((r for r in rows if all(r[k] == v for k, v in where.items())), key=lambda row: str(row["id"]))

    def _device_makes(self, person: Person) -> None:
        kind = self.choice.choice(("IMPORT", "EXPORT"))
        place = "to_location_id" if kind == "IMPORT" else "from_location_id"
        header = {"document_type": kind, "status": "DRAFT", place: self.warehouse, "reference": person.name}
        actions: list[dict[str, Any]] = [{"table": "wms_documents", "values": header}]
        for number in range(self.choice.randint(1, 3)):
            line = {**self._line(), "line_no": number + 1}
            if self.choice.random() < 0.1:
                line["quantity"] = "-1"  # refused
            actions.append(
                {"table": "wms_document_lines", "values": line, "parent": {"column": "document_id", "index": 0}}
            )
        self.nodes.ask("write", person.id, actions=actions)

    def _device_edits(self, person: Person) -> None:
        drafts = self._held(person, "wms_documents", status="DRAFT")
        if not drafts:
            return
        draft = self.choice.choice(drafts)
        lines = self._held(person, "wms_document_lines", document_id=draft["id"])
        kind = self.choice.choice(("header", "line", "add", "remove", "delete"))
        action: dict[str, Any]
        if kind == "header":
            text = f"{person.name} {self.choice.randint(1, 999)}"
            action = {"table": "wms_documents", "id": draft["id"], "values": {"reference": text}}
        elif kind == "line" and lines:
            values = {"quantity": str(self.choice.randint(1, 9))}
            action = {"table": "wms_document_lines", "id": self.choice.choice(lines)["id"], "values": values}
        elif kind == "add":
            action = {"table": "wms_document_lines", "values": {**self._line(), "document_id": draft["id"]}}
        elif kind == "remove" and len(lines) > 1:
            action = {"table": "wms_document_lines", "id": self.choice.choice(lines)["id"], "is_deleted": True}
        elif kind == "delete" and self.choice.random() < 0.5:
            self.nodes.ask(
                "write", person.id,
                actions=[
                    {"table": "wms_documents", "id": draft["id"], "is_deleted": True},
                    *({"table": "wms_document_lines", "id": line["id"], "is_deleted": True} for line in lines),
                ],
            )  # fmt: skip
            return
        else:
            return
        self.nodes.ask("write", person.id, actions=[action])

    def _device_commands(self, person: Person) -> None:
        drafts = self._held(person, "wms_documents", status="DRAFT")
        person.sequence += 1
        if drafts and self.choice.random() < 0.5:
            function, arguments = "wms_document_post", {"id": self.choice.choice(drafts)["id"]}
        elif self.choice.random() < 0.1:
            function, arguments = "user_disable", {"id": person.claims["sub"]}  # not for devices
        else:
            function, arguments = "wms_stock_move", {
                "item_id": self.choice.choice(self.items), "quantity": 1, "reason": "Tidied up",
                "from_position_id": self.positions["RECEIVING"], "to_position_id": self.positions["STORAGE"],
            }  # fmt: skip
        values = {"function": function, "arguments": json.dumps(arguments), "sequence": person.sequence}
        made = self.nodes.ask("write", person.id, actions=[{"table": "commands", "values": values}])
        person.commands[made[0]] = function

    def _device_tidies(self, person: Person) -> None:
        done = [
            row
            for table in ("commands", "sync_refusals")
            for row in ({**r, "table": table} for r in self._held(person, table))
            if row.get("outcome") or table != "commands"
        ]
        if done:
            row = self.choice.choice(done)
            self.nodes.ask("write", person.id, actions=[{"table": row["table"], "id": row["id"], "is_deleted": True}])

    def _device_syncs(self, person: Person, lose: str | None = None) -> None:
        try:
            answer = self.nodes.ask("sync", person.id, lose=lose)
            self.outcome.did["drafts_refused"] += len(answer["refusals"])
        except DeviceError as error:
            if error.code not in (LOST, "events.sync_busy"):
                raise

    def _device_is_overtaken(self, person: Person) -> None:
        """Between the pull and the push of a device somebody else changes the same."""
        self.nodes.ask("sync_begin", person.id)
        for _ in range(2):
            self._server_edits()
        self._server_items()
        self.nodes.ask("sync_end", person.id)

    def _device_grows(self, person: Person) -> None:
        if person.version == 1:
            person.version = 2
            self.nodes.ask("upgrade", person.id, version=2)

    def _device_is_reset(self, person: Person) -> None:
        client = self._client(person)
        client.post("rpc/sync_reset", json={"device": person.id})

    # The run

    def play(self, steps: int) -> list[str]:
        """Do what chance wants, then compare; returns what is not as it ought to be."""
        actions: list[tuple[int, Callable[..., None]]] = [
            (3, self._server_makes), (6, self._server_edits), (3, self._server_ends), (4, self._server_items),
            (1, self._server_loads), (3, self._server_is_slow), (3, self._server_commits), (3, self._server_asks),
            (4, self._server_rights), (2, self._server_moves_role), (6, self._device_makes), (10, self._device_edits),
            (4, self._device_commands), (2, self._device_tidies), (10, self._device_syncs),
            (4, self._device_loses_pull), (4, self._device_loses_push), (4, self._device_is_overtaken),
            (2, self._device_grows), (1, self._device_is_reset),
        ]  # fmt: skip
        for person in self.people:
            self._device_syncs(person)
        weights = [weight for weight, _ in actions]
        for _ in range(steps):
            _, action = self.choice.choices(actions, weights)[0]
            name = action.__name__.removeprefix("_")
            self.outcome.did[name] += 1
            if name.startswith("device"):
                action(self.choice.choice(self.people))
            else:
                action()
        for connection in self.late:
            connection.commit()
        return self._settle()

    def _device_loses_pull(self, person: Person) -> None:
        self._device_syncs(person, "sync_pull")

    def _device_loses_push(self, person: Person) -> None:
        self._device_syncs(person, "sync_push")

    def _settle(self) -> list[str]:
        problems: list[str] = []
        for _ in range(3):
            for person in self.people:
                self._device_syncs(person)
                self._discard(person)
        for person in self.people:
            self._device_syncs(person)
        for person in self.people:
            said = self.nodes.ask("dump", person.id)
            self.outcome.calls.update(said["calls"])
            if said["is_dirty"]:
                problems.append(f"{person.name}: has changes that were not sent")
            problems += [f"{person.name}: the library says {text}" for text in said["complaints"]]
            tables = {c["table_name"] for c in self.columns if c["since_version"] <= person.version}
            ought = expected(self.db, person.claims, person.id, person.version, sorted(tables))
            found = differences(self.nodes.rows(person.id), ought)
            problems += [f"{person.name}: {text}" for text in found]
            self.outcome.rows += sum(map(len, ought.values()))
            problems += self._commands(person)
        return problems

    def _discard(self, person: Person) -> None:
        """Give up drafts that were refused, with all their lines."""
        if self.nodes.ask("discard", person.id):
            self.outcome.did["device_discards"] += 1

    def _commands(self, person: Person) -> list[str]:
        """Each command has one outcome, and each that is done one effect."""
        rows = self.db.execute(
            "select id::text, function, outcome from events.sync_command where org_id = %s and user_id = %s",
            [self.org_id, person.claims["sub"]],
        ).fetchall()
        known = {row[0]: row[1:] for row in rows}
        problems = [
            f"{person.name}: the command {key} ({name}) was never executed"
            for key, name in person.commands.items()
            if key not in known
        ]
        moves = sum(1 for function, done in known.values() if function == "wms_stock_move" and done == "DONE")
        made = self._one(
            "select count(*) from wms.document where org_id = %s and created_by = %s and document_type = 'MOVE'",
            self.org_id, person.claims["sub"],
        )  # fmt: skip
        if moves != made:
            problems.append(f"{person.name}: {moves} commands moved stock, and it was moved {made} times")
        self.outcome.did["commands_done"] += sum(1 for _, done in known.values() if done == "DONE")
        self.outcome.did["commands_refused"] += sum(1 for _, done in known.values() if done == "REFUSED")
        return problems
