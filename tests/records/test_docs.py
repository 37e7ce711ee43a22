"""The requests of the how-to pages, sent one after another as they stand there."""

from __future__ import annotations

import json
import re
from typing import Any

from erpgres.settings import ROOT
from records.signing import PASSWORD, Office
from records.support import World, in_days, violations

BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("store", "withdraw", "return")


def filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{([a-z]+)\}", lambda match: values[match[1]], text)


def send(world: World, block: str, values: dict[str, str]) -> None:
    """Send one request of a page; keep what it says and compare what it promises."""
    head, _, body = block.partition("\n\n")
    first, *rest = head.strip().splitlines()
    method, path = first.split(" ", 1)
    told = dict(line.split(": ", 1) for line in rest)
    answer = world.client(told["As"]).request(
        method, filled(path, values).lstrip("/"), content=filled(body, values) or None,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    status, _, code = told.get("Expect", "200").partition(" ")
    assert answer.status_code == int(status), f"{first}\n{answer.text}"
    found: Any = answer.json() if answer.content else None
    if code:
        assert found["code"] == code
    if "Answer" in told:
        assert found == json.loads(filled(told["Answer"], values)), first
    row = found[0] if isinstance(found, list) and found else found
    for pair in told.get("Keep", "").split():
        name, key = pair.split("=")
        values[name] = str(row[key])


def test_the_pages_say_what_happens(world: World) -> None:
    """With the policies that every organisation begins with."""
    Office(world)
    world.needs_signature(True)
    world.db.execute("select core.set_password(%s, %s)", [world.user("approver"), PASSWORD])
    values = {
        "password": PASSWORD,
        "hr": world.units["HR"], "shelf": world.places["S1"], "me": str(world.user("manager")), "soon": in_days(7),
    }  # fmt: skip
    sent = 0
    for page in PAGES:
        text = (ROOT / "docs" / "records" / f"{page}.md").read_text(encoding="utf-8")
        if page == "withdraw":
            values |= dict(zip(("one", "two", "three"), world.contents({"id": values["crate"]}), strict=True))
        for block in BLOCK.findall(text):
            send(world, block, values)
            sent += 1
    assert sent > 15
    assert violations(world.db, world.org.id) == {}
