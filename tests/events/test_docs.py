"""The code of docs/events.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from erpgres.settings import ROOT
from events.conftest import caught_up, change, make

PAGE = (ROOT / "docs/events.md").read_text()


def test_the_python_of_the_page_follows_and_works(org: Any, api: Any, stack: Any) -> None:
    code: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, code)
    client = api(org.admin_token)
    base, token = f"{stack.url}/api", org.admin_token
    begun = caught_up(client)
    client.post("rpc/event_consumer_register", json={"name": "search-index", "cursor": begun}).raise_for_status()
    partner = make(client, "partners", code="A", name="A")
    change(client, "partners", partner, name="B")
    caught_up(client)

    found, after = code["follow"](base, token, begun)
    assert [event["type"] for event in found] == ["partner.created", "partner.updated"]
    assert code["follow"](base, token, after)[0] == []

    dealt: list[dict[str, Any]] = []
    code["work"](base, token, dealt.append)
    assert [event["id"] for event in dealt] == [event["id"] for event in found]
    code["work"](base, token, dealt.append)
    assert len(dealt) == 2, "acknowledged is not delivered again"


def test_the_shell_of_the_page_works_as_pasted(stack: Any) -> None:
    seeded = subprocess.run(
        ["./erpgres", "seed", "--state", str(stack.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert seeded.returncode == 0, seeded.stderr
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.split("## The feed")[0], re.DOTALL)
    assert len(blocks) == 2
    done = subprocess.run(
        ["bash", "-c", "set -e\n" + "\n".join(blocks).replace("127.0.0.1:8400", f"127.0.0.1:{stack.port}")],
        cwd=ROOT, env={**os.environ, "ERPGRES_STATE": str(stack.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"type":"wms_document.posted"' in done.stdout
    assert '"field":"number"' in done.stdout
