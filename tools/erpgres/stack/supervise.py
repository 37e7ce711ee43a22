"""supervisord: its configuration, starting it, and speaking with it."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import re
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from erpgres.errors import CannotRun
from erpgres.jobs import WORKER
from erpgres.settings import ROOT
from erpgres.stack import gateway, postgres, relay, runtime
from erpgres.stack.processes import MARKER
from erpgres.stack.state import State

RUNNING = "RUNNING"
_LOOK_SECONDS = 0.05
_GONE = (OSError, xmlrpc.client.ProtocolError, http.client.HTTPException)
_LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \S+ (.*)$")


@dataclass(frozen=True)
class Program:
    """One part of the stack as supervisord runs it; `process_name` is what the kernel calls it.

    `own_log` parts write their log themselves instead of through supervisord. A part that `drops` starts as the caller
    and becomes the service account itself, because that cannot read what it is made of.
    """

    name: str
    command: list[str]
    process_name: str
    directory: Path
    priority: int
    autostart: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    end_group: bool = False
    own_log: bool = False
    drops: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def programs(state: State) -> list[Program]:
    """Return the parts of this state, in the order in which they start; each reads configuration written before."""
    parts: list[Program] = []
    if state.database_url is None:
        parts.append(
            Program(
                "postgres",
                [str(state.bindir / "postgres"), "-D", str(state.pgdata)],
                "postgres",
                state.pgdata,
                priority=10,
                autostart=True,
                stop_signal="INT",
                stop_seconds=120,
            )
        )
    parts.append(
        Program(
            "postgrest",
            [str(state.postgrest_binary), str(state.etc / "postgrest.conf")],
            "postgrest",
            state.run,
            priority=20,
            own_log=True,  # it answers 500 to a request that it cannot log
        )
    )
    parts.append(
        Program(
            relay.NAME,
            [sys.executable, "-m", "erpgres", "relay", "--state", str(state.path)],
            relay.PROCESS_NAME,
            state.run,
            priority=40,  # ends before the gateway, through which it tells its listeners to come back
            drops=True,
            environment={"PYTHONPATH": str(ROOT / "tools")},
        )
    )
    parts.append(
        Program(
            "gateway",
            # A killed nginx leaves its socket, at which the next one could not listen.
            [
                *("/bin/sh", "-c", 'rm -f "$0"; exec "$@"', str(gateway.versions_socket(state))),
                *(str(state.nginx_binary), *gateway.nginx_arguments(state)),
            ],
            "nginx",
            state.run,
            priority=30,
            stop_signal="QUIT",
            stop_seconds=5,
            end_group=True,
        )
    )
    parts.append(
        Program(
            "worker",
            [sys.executable, "-m", "erpgres", "jobs", "work", "--state", str(state.path)],
            WORKER,
            state.run,
            priority=40,
            drops=True,
            environment={
                "PYTHONPATH": str(ROOT / "tools"),
                **({"ERPGRES_RUN_AS": state.account.name} if state.account else {}),
            },
        )
    )
    return [part for part in parts if not (state.is_api_only and part.drops)]


def prepare(state: State) -> bool:
    """Write `supervisord.conf`; return whether it is new."""
    starter = runtime.starter()
    sections = [
        "; Written by `erpgres up`.",
        "[supervisord]",
        "nodaemon = true",
        "silent = true",
        f"logfile = {_raw(state.log / 'supervisord.log')}",
        "logfile_maxbytes = 5MB",
        "logfile_backups = 2",
        f"pidfile = {_raw(state.control / 'supervisord.pid')}",
        f"childlogdir = {_raw(state.log)}",
        f"directory = {_raw(state.control)}",
        "strip_ansi = true",
        "minfds = 1024",
        *(["user = root"] if state.account else []),
        "",
        "[unix_http_server]",
        f"file = {_raw(state.supervisor_socket)}",
        "chmod = 0700",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in programs(state):
        log = state.log / f"{program.name}.log"
        own = str(log) if program.own_log else "-"
        command = [str(starter), program.process_name, str(program.directory), own, *program.command]
        sections += [
            "",
            f"[program:{program.name}]",
            f"command = {_raw(shlex.join(command))}",
            f"directory = {_raw(program.directory)}",
            f"priority = {program.priority}",
            f"autostart = {str(program.autostart).lower()}",
            "autorestart = true",
            "startsecs = 1",
            "startretries = 1000000",
            f"stopsignal = {program.stop_signal}",
            f"stopwaitsecs = {program.stop_seconds}",
            f"killasgroup = {str(program.end_group).lower()}",
            "redirect_stderr = true",
            f"stdout_logfile = {'NONE' if program.own_log else _raw(_raw(log))}",  # expanded twice
            "stdout_logfile_maxbytes = 20MB",
            "stdout_logfile_backups = 5",
        ]
        if state.account and not program.drops:
            sections.append(f"user = {state.account.name}")
        if program.environment:
            pairs = (f'{name}="{value}"' for name, value in program.environment.items())
            sections.append(f"environment = {_raw(','.join(pairs))}")
    return state.write(state.etc / "supervisord.conf", "\n".join(sections) + "\n", mode=0o600)


def _end_with_parent() -> None:
    """Have the kernel end this process, gently, when the thread that started it has ended."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Supervisor:
    """The running (or not running) supervisord of a state."""

    def __init__(self, state: State) -> None:
        self.state = state

    @cached_property
    def _rpc(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self.state.supervisor_socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def pid(self) -> int | None:
        """Return supervisord's pid, or None when it does not answer."""
        if not self.state.supervisor_socket.exists():
            return None
        try:
            return int(self._rpc.getPID())
        except _GONE:
            return None

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return what supervisord knows of each part (statename, pid, start, now, ...); empty when it is gone."""
        try:
            return {entry["name"]: entry for entry in self._rpc.getAllProcessInfo()}
        except _GONE:
            return {}

    def launch(self) -> None:
        """Start supervisord in a session of its own and wait until it answers. Raises CannotRun."""
        state = self.state
        with (state.log / "supervisord.err").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(state.etc / "supervisord.conf")],
                cwd=state.control,
                env={**postgres.environment(state), MARKER: state.id},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # The stack of a proof is nobody's any more when the proof is killed.
                preexec_fn=_end_with_parent if state.is_api_only else None,
            )
        deadline = time.monotonic() + 20
        while self.pid() is None:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (state.log / "supervisord.err").read_text(errors="replace").strip().splitlines()
                raise CannotRun(
                    f"supervisord does not start: {said[-1] if said else 'it says nothing'}", f"see {state.log}"
                )
            time.sleep(0.05)

    def ensure_started(self, name: str) -> None:
        """Start a part unless it runs or is about to be started again."""
        from supervisor.xmlrpc import Faults

        try:
            self._rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (Faults.ALREADY_STARTED, Faults.SUCCESS):
                raise CannotRun(
                    f"{name} does not start: {fault.faultString}", f"see {self.state.log / name}.log"
                ) from fault
        except _GONE as error:
            raise CannotRun("supervisord ended", f"see {self.state.log / 'supervisord.log'}") from error

    def restart(self, name: str) -> None:
        """Stop a part, wait until it has ended, and start it."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc.stopProcess(name, False)
            # Asked what it does, supervisord sees at once that the part has ended, not up to a second later.
            while self._rpc.getProcessInfo(name)["statename"] == "STOPPING":
                time.sleep(_LOOK_SECONDS)
        self.ensure_started(name)

    def signal(self, name: str, number: str) -> None:
        """Send a part a signal, if it runs."""
        with contextlib.suppress(xmlrpc.client.Fault, *_GONE):
            self._rpc.signalProcess(name, number)

    def shutdown(self, patience: float = 150.0) -> None:
        """Let supervisord end all parts, the last started first, and then itself; returns also when time is up.

        supervisord looks once a second whether a part has ended and the next is to be told, and whenever it is asked
        something: so it is asked.
        """
        pid = self.pid()
        if pid is None:
            return
        deadline = time.monotonic() + patience
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            with contextlib.suppress(xmlrpc.client.Fault, *_GONE):
                self._rpc.shutdown()
            while time.monotonic() < deadline:
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout=_LOOK_SECONDS)
                    return
                with contextlib.suppress(xmlrpc.client.Fault, *_GONE):
                    self._rpc.getState()

    def restarts(self) -> dict[str, tuple[int, datetime]]:
        """Return how often each part was started again since supervisord began, and when last (local time)."""
        starts: dict[str, list[datetime]] = {}
        exits: set[str] = set()
        try:
            lines = (self.state.log / "supervisord.log").read_text(errors="replace").splitlines()
        except OSError:
            return {}
        for line in lines:
            match = _LOG_LINE.match(line)
            if not match:
                continue
            at, text = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S"), match[2]
            if text.startswith("supervisord started with pid"):
                starts.clear()
                exits.clear()
            elif found := re.match(r"(?:WARN )?exited: (\S+) ", text):
                exits.add(found[1])
            elif (found := re.match(r"spawned: '([^']+)'", text)) and found[1] in exits:
                starts.setdefault(found[1], []).append(at)
                exits.discard(found[1])
        return {name: (len(times), times[-1]) for name, times in starts.items()}


def _raw(value: object) -> str:
    """Return a value as the configuration file wants it: a percent sign doubled."""
    return str(value).replace("%", "%%")
