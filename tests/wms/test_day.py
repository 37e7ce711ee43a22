"""A storekeeper's day, as docs/wms/day.md tells it: the requests of the page, pasted into a shell."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from erpgres.settings import ROOT
from erpgres.stack.state import State

PAGE = (ROOT / "docs/wms/day.md").read_text()


def test_the_day_goes_as_the_page_says(stack: State, db: Any) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("\n## ") + 1
    story = "set -e\n" + "\n".join(f"echo '== {n}'\n{block}" for n, block in enumerate(blocks))
    done = subprocess.run(
        ["bash", "-c", story.replace("127.0.0.1:8400", f"127.0.0.1:{stack.port}")],
        cwd=ROOT, env={**os.environ, "ERPGRES_STATE": str(stack.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(enumerate(re.split(r"^== \d+\n", done.stdout, flags=re.MULTILINE)[1:]))

    def states(chapter: int) -> list[str]:
        """What became of the rows that the requests of a chapter answered with, and what was refused."""
        found = re.findall(r'^\{"code":"([^"]+)"|"status":"([A-Z]+)"', said[chapter], re.MULTILINE)
        return [code or status for code, status in found]

    received, put, reserved, shipped, counted, adjusted, left = range(1, 8)
    assert states(received) == ["POSTED"] and '"number":"IMP-' in said[received]
    assert '"position_code":' in said[put] and states(put) == ["POSTED"] and '"number":"MOV-' in said[put]
    assert states(reserved) == ["RESERVED"]
    assert states(shipped) == ["wms.over_pick", "POSTED", "PACKED", "POSTED"] and '"number":"SAL-' in said[shipped]
    assert states(counted) == ["COUNTING", "COUNTED", "core.permission_missing", "POSTED"]
    assert '"expected":null' in said[counted], "Shirin counts blind"
    assert re.search(r'"expected":180\.0*,"counted":178\.0*,"difference":-2\.0*', said[counted]), said[counted]
    assert states(adjusted) == ["POSTED", "core.permission_missing", "APPROVED"]
    assert re.search(r'"quantity":20\.0*,"reserved":0', said[left]), said[left]
    deltas = [float(d) for d in re.findall(r'"delta":(-?[0-9.]+)', said[left])]
    assert deltas == [240, -60, -2, -1, -157]
    assert said[left].count(": ok") >= 10 and "violation" not in said[left]
