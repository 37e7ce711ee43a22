"""Many sessions want the same at the same moment: one gets it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from records.support import World, in_days, violations

CLIENTS = 50


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run all calls at the same moment, each in a thread of its own; returns their answers."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def outcomes(answers: list[httpx.Response]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for answer in answers:
        key = "done" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['code']}"
        counted[key] = counted.get(key, 0) + 1
    return counted


def test_fifty_clients_want_the_same_crates(world: World) -> None:
    """Each asks for each crate; of every crate one withdrawal is made, and the others are told why not."""
    crates = [world.stored(1) for _ in range(4)]
    token = world.token("manager")
    clients = [world.api(token) for _ in range(CLIENTS)]

    def client(number: int) -> Callable[[], list[httpx.Response]]:
        order = crates[number % 4 :] + crates[: number % 4]

        def ask() -> list[httpx.Response]:
            return [
                clients[number].post(
                    "rpc/records_withdrawal_request",
                    json={"crate_id": crate["id"], "purpose": "Audit", "expected_return_on": in_days(3)},
                )
                for crate in order
            ]

        return ask

    answers = [answer for some in at_once([client(n) for n in range(CLIENTS)]) for answer in some]
    assert outcomes(answers) == {"done": 4, "409 records.request_open": 4 * CLIENTS - 4}
    requests = world.rows("requests", kind="eq.WITHDRAWAL")
    assert sorted(r["crate_id"] for r in requests) == sorted(c["id"] for c in crates)
    numbers = sorted(int(r["request_no"][-6:]) for r in world.rows("requests", "admin"))
    assert numbers == list(range(1, len(numbers) + 1)), "who lost took no number"
    assert violations(world.db, world.org.id) == {}


def test_the_last_place_of_a_shelf_goes_to_one(world: World) -> None:
    requests = [world.approve(world.storage(1)) for _ in range(8)]
    token = world.token("store")
    clients = [world.api(token) for _ in requests]

    def allocate(client: httpx.Client, request: dict[str, Any]) -> Callable[[], httpx.Response]:
        values = {"id": request["id"], "location_id": world.places["S2"]}
        return lambda: client.post("rpc/records_storage_allocate", json=values)

    answers = at_once([allocate(c, r) for c, r in zip(clients, requests, strict=True)])
    assert outcomes(answers) == {"done": 1, "422 records.place_full": 7}
    assert violations(world.db, world.org.id) == {}


def test_a_withdrawal_is_issued_once_and_returned_once(world: World) -> None:
    crate = world.stored(2)
    request = world.approve(world.withdrawal(crate))
    token = world.token("store")
    clients = [world.api(token) for _ in range(6)]
    issue = {"id": request["id"], "to_user_id": str(world.user("manager"))}

    def call(client: httpx.Client, step: str, values: dict[str, Any]) -> Callable[[], httpx.Response]:
        return lambda: client.post(f"rpc/records_withdrawal_{step}", json=values)

    answers = at_once([call(client, "issue", issue) for client in clients])
    assert outcomes(answers) == {"done": 1, "409 records.request_in_another_state": 5}
    back = {"id": request["id"], "location_id": world.places["S1"]}
    answers = at_once([call(client, "return", back) for client in clients])
    assert outcomes(answers) == {"done": 1, "409 records.request_in_another_state": 5}
    assert violations(world.db, world.org.id) == {}


def test_a_paper_gets_into_one_crate(world: World) -> None:
    """Two crates are proposed with the same documents, in different order."""
    documents = [
        world.one(
            "insert into records.document (org_id, unit_id, document_number, name, dated_on) values (%s, %s, %s, 'D',"
            " current_date) returning id::text", world.org.id, world.units["HR"], f"N{number}",
        )
        for number in range(6)
    ]  # fmt: skip
    token = world.token("manager")

    def store(order: list[str]) -> Callable[[], httpx.Response]:
        client = world.api(token)
        values = {"unit_id": world.units["HR"], "documents": order, "is_permanent": True}
        return lambda: client.post("rpc/records_storage_request", json=values)

    answers = at_once([store(documents if n % 2 else documents[::-1]) for n in range(6)])
    assert outcomes(answers) == {"done": 1, "409 records.document_in_crate": 5}
    (crate,) = world.rows("crates")
    assert crate["barcode"].endswith("/00001"), "who lost took no barcode"
    assert violations(world.db, world.org.id) == {}
