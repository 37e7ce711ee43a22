"""Reading the logs of the parts."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from erpgres.stack.state import State


def files(state: State) -> list[Path]:
    """Return the log files there are, sorted by name."""
    return sorted(state.log.glob("*.log")) if state.log.is_dir() else []


def read(
    paths: list[Path],
    lines: int,
    *,
    follow: bool = False,
    label: bool = False,
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[str]:
    """Yield the last `lines` lines of each file and, with `follow`, what is added to them while `goes_on()`.

    With `label` each line begins with the name of its part. A file that is rotated is followed into its successor.
    """
    tails = [_Tail(path) for path in paths]
    for tail in tails:
        yield from (tail.labelled(line, label) for line in tail.last(lines))
    while follow:
        quiet = True
        for tail in tails:
            for line in tail.new():
                quiet = False
                yield tail.labelled(line, label)
        if quiet:
            if not goes_on():
                return
            time.sleep(0.2)


@dataclass
class _Tail:
    path: Path
    _file: IO[str] | None = field(default=None, init=False)
    _rest: str = field(default="", init=False)

    def labelled(self, line: str, label: bool) -> str:
        return f"{self.path.stem:<11} {line}" if label else line

    def last(self, lines: int) -> list[str]:
        if not self._open():
            return []
        assert self._file is not None
        return [line.rstrip("\n") for line in deque(self._file, maxlen=lines)]

    def new(self) -> Iterator[str]:
        if self._file is None and not self._open():
            return
        assert self._file is not None
        while chunk := self._file.readline():
            self._rest += chunk
            if self._rest.endswith("\n"):
                yield self._rest.rstrip("\n")
                self._rest = ""
        if self._rotated():
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self.path.open(errors="replace")
        except OSError:
            return False
        return True

    def _rotated(self) -> bool:
        assert self._file is not None
        try:
            now = self.path.stat()
        except OSError:
            return False
        held = os.fstat(self._file.fileno())
        return (now.st_ino, now.st_dev) != (held.st_ino, held.st_dev) or now.st_size < self._file.tell()
