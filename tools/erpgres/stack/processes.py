"""Finding this stack's processes, also those that lost their supervisor, and who holds a port."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from erpgres.errors import CannotRun
from erpgres.stack.state import State

MARKER = "ERPGRES_STATE_ID"

# PostgreSQL and nginx write their titles over their environment, so the marker is gone from them. Their working
# directory is inside the state directory instead; the name keeps a shell that stands there out of it.
_PARTS = {"postgres", "nginx", "postgrest"}


def find(state: State) -> list[psutil.Process]:
    """Return every live process of the stack: supervisord, the parts and their children."""
    homes = (state.path, state.run)
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["name", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == state.id:
                found.append(process)
            elif process.info["name"] in _PARTS:
                cwd = Path(process.cwd().removesuffix(" (deleted)"))
                if any(home == cwd or home in cwd.parents for home in homes):
                    found.append(process)
    return found


def end(state: State, *, patience: float = 20.0) -> int:
    """End every process of the stack, gently at first, and return how many there were.

    Raises CannotRun when one survives SIGKILL.
    """
    processes = find(state)
    supervisors = [process for process in processes if _name(process) not in _PARTS]
    # Without its supervisor first, a part would be started again.
    _finish(supervisors, {}, min(patience, 10.0))
    survivors = [process for process in find(state) if process not in supervisors]
    # SIGINT is PostgreSQL's fast shutdown; its children leave by themselves when they get the word from it.
    masters = [process for process in survivors if _name(process) != "postgres" or _is_master(process)]
    _finish(masters, {"postgres": signal.SIGINT}, patience)
    _finish(find(state), {}, 2.0)
    left = find(state)
    if left:
        raise CannotRun(f"process {left[0].pid} ({_name(left[0])}) does not end")
    return len(processes)


def _finish(processes: Iterable[psutil.Process], signals: dict[str, signal.Signals], patience: float) -> None:
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signals.get(_name(process), signal.SIGTERM))
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "?"


def _is_master(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
    except psutil.Error:
        return False
    return parent is None or _name(parent) != "postgres"


def require_free(ports: dict[str, int]) -> None:
    """Raise CannotRun naming the owner of the first port that is taken; `ports` maps a purpose to a port."""
    for purpose, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OverflowError:
                raise CannotRun(f"there is no port {port} (for {purpose})", "choose a lower one with --port") from None
            except OSError as error:
                raise CannotRun(
                    f"port {port} (for {purpose}) cannot be used: {owner_of(port) or error.strerror}",
                    "stop that process, or choose another range with --port N (N to N+3 are used)",
                ) from None


def owner_of(port: int) -> str | None:
    """Return "held by pid N (command line)" for the process that listens on a local port, or None if nobody does."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if connection.pid is None:
            return "held by a process of another user"
        with contextlib.suppress(psutil.Error):
            command = " ".join(psutil.Process(connection.pid).cmdline())
            return f"held by pid {connection.pid} ({command[:120]})"
        return f"held by pid {connection.pid}"
    return None
