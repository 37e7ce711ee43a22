"""Looking for what would keep a stack from running on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.stack import libraries, lifecycle, machine, processes, runtime, supervise
from erpgres.stack.state import State

_DISK_WANTED = 2 << 30
_MEMORY_WANTED = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, what was found, and for what is not well a hint."""

    check: str
    ok: bool
    found: str
    hint: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the finding as a dictionary."""
        return asdict(self)


def examine(state: State) -> Iterator[Finding]:
    """Yield one finding a check; a check that cannot be made is a finding that is not well."""
    checks: list[Callable[[State], Finding]] = [
        _platform,
        _python,
        _memory,
        _disk,
        _account,
        _postgres,
        _postgrest,
        _nginx,
        _reachable,
        _ports,
        _tools,
    ]
    for check in checks:
        try:
            yield check(state)
        except CannotRun as error:
            yield Finding(check.__name__.strip("_"), False, error.message, error.hint)


def _platform(state: State) -> Finding:
    found = f"{platform.system()} {platform.machine()}"
    return Finding("platform", platform.system() == "Linux", found, "only Linux is supported")


def _python(state: State) -> Finding:
    return Finding(
        "python",
        sys.version_info >= (3, 12),
        f"{platform.python_version()} ({sys.executable})",
        "3.12 is the oldest that will do",
    )


def _memory(state: State) -> Finding:
    memory, cores = machine.memory_bytes(), machine.cores()
    found = f"{memory / (1 << 30):.1f} GB, {cores} core{'s' if cores != 1 else ''}"
    return Finding("memory", memory >= _MEMORY_WANTED, found, "less than 1 GB is too little")


def _disk(state: State) -> Finding:
    folder = next(path for path in (state.path, *state.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk", free >= _DISK_WANTED, f"{free / (1 << 30):.1f} GB free for {state.path}", "at least 2 GB should be free"
    )


def _account(state: State) -> Finding:
    return Finding("account", True, f"services run as {state.owner or 'you'}")


def _postgres(state: State) -> Finding:
    lacking = libraries.missing(state.bindir)
    if lacking:
        names = ", ".join(entry.library + (f" ({entry.package})" if entry.package else "") for entry in lacking)
        return Finding("postgres", False, f"lacks {names}", libraries.advice(lacking))
    return Finding("postgres", True, str(state.bindir.parent))


def _postgrest(state: State) -> Finding:
    return Finding("postgrest", True, str(state.postgrest_binary))


def _nginx(state: State) -> Finding:
    return Finding("nginx", True, str(state.nginx_binary))


def _reachable(state: State) -> Finding:
    lifecycle.check_reach(state, runtime.root())
    parent = next(path for path in (state.path, *state.path.parents) if path.is_dir())
    lifecycle.check_reach(state, parent)
    return Finding("reach", True, f"{state.owner or 'you'} may enter {runtime.root()} and {parent}")


def _ports(state: State) -> Finding:
    wanted = lifecycle.ports(state)
    numbers = f"{min(wanted.values())} to {max(wanted.values())}"
    if supervise.Supervisor(state).pid() is not None:
        return Finding("ports", True, f"{numbers} (the stack is running)")
    if state.path.is_dir() and processes.find(state):
        return Finding(
            "ports", False, "processes of the stack run without their supervisor", "`erpgres up -d` repairs that"
        )
    processes.require_free(wanted)
    return Finding("ports", True, f"{numbers} are free")


def _tools(state: State) -> Finding:
    lacking = [name for name in ("readlink", "sleep") if shutil.which(name) is None]
    if not Path("/proc/self/cwd").exists():
        lacking.append("/proc")
    if not os.access("/bin/sh", os.X_OK):
        lacking.append("/bin/sh")
    return Finding(
        "tools",
        not lacking,
        f"lacks {', '.join(lacking)}" if lacking else "sh, readlink, sleep, /proc",
        "Debian: coreutils, dash",
    )
