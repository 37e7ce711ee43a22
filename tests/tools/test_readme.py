"""The README's tour, pasted into a shell as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess

from erpgres.settings import ROOT
from erpgres.stack.state import State


def test_the_tour_works_as_pasted(stack: State) -> None:
    section = (ROOT / "README.md").read_text().split("## A tour", 1)[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    tour = block[1].replace("127.0.0.1:8400", f"127.0.0.1:{stack.port}")

    done = subprocess.run(
        ["bash", "-c", tour],
        cwd=ROOT,
        env={**os.environ, "ERPGRES_STATE": str(stack.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    for expected in ('"Shirin Sultana"', '"sku":"FAB-SJ-180"', '"partners":', '"number":"TRF-', '"delta":25.0'):
        assert expected in said, said
    codes = re.findall(r'^\{"code":"([^"]+)"', said, re.MULTILINE)
    assert codes == ["gateway.limit_out_of_range", "wms.document_not_draft"], said
    assert said.count(": ok") >= 5 and "violation" not in said
