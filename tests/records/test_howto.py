"""The how-to pages of holds and destruction, pasted into a shell as a records officer would."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from erpgres.settings import ROOT
from records.signing import PASSWORD, Office
from records.support import violations


def paste(page: str, office: Office, folder: Path, crate: dict[str, Any], **tokens: str) -> str:
    """Run all commands of a page in one shell; returns what it printed."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "records" / page).read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env={
            **os.environ, **tokens, "API": f"{office.world.org.stack.url}/api", "CRATE": crate["id"],
            "PASSWORD": PASSWORD,
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_how_to_destroy(office: Office, tmp_path: Path) -> None:
    world = office.world
    crate = office.due(2)
    for role in ("approver", "store", "unit_admin"):
        world.db.execute("select core.set_password(%s, %s)", [world.user(role), PASSWORD])
    roles = {"MANAGER": "manager", "APPROVER": "approver", "STORE": "store", "WITNESS": "unit_admin"}
    said = paste("destroy.md", office, tmp_path, crate, **{name: world.token(role) for name, role in roles.items()})
    lines = said.splitlines()
    assert lines[0] == "APPROVED" and lines[1].startswith("DC-") and lines[2] == "<h1>Certificate of destruction"
    assert '"code":"records.crate_not_available"' in lines[3]
    assert "Shredders Ltd" in (tmp_path / "certificate.html").read_text(encoding="utf-8")
    assert world.row("crates", crate["id"])["status"] == "DESTROYED"
    assert violations(world.db, world.org.id) == {}


def test_how_to_hold(office: Office, tmp_path: Path) -> None:
    world = office.world
    crate = office.due(2)
    tokens = {"COMPLIANCE": world.token(office.compliance()), "MANAGER": world.token("manager")}
    lines = paste("hold.md", office, tmp_path, crate, **tokens).splitlines()
    assert lines[0].startswith("LH-") and '"code":"records.held"' in lines[1]
    assert "hold_id" in lines[2] and '"matter":"Dispute with Nordkap"' in lines[3] and '"item_count":1' in lines[3]
    assert lines[4:] == ["Dispute with Nordkap", "RELEASED"]
    assert office.asked(crate)["status"] == "PENDING"
