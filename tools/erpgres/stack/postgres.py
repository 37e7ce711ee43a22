"""The local PostgreSQL: its data directory, its settings for this machine, and who may connect."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.stack import machine
from erpgres.stack.state import State

MB = 1 << 20
GB = 1 << 30
MAX_CONNECTIONS = 100

_LOGIN_ROLES = "authenticator,migrator,relay,worker,monitor,+analyst"


def settings(state: State, memory: int | None = None, cores: int | None = None) -> dict[str, str]:
    """Return PostgreSQL's settings for a machine of `memory` bytes and `cores` cores (default: this one).

    An eighth of the memory (at most 2 GB) is given to shared buffers, since several stacks may share a machine;
    the rest follows PostgreSQL's manual, chapter "Resource Consumption".
    """
    memory = memory or machine.memory_bytes()
    cores = cores or machine.cores()
    shared = _clamp(memory // 8, 32 * MB, 2 * GB)
    workers = max(2, cores)
    values = {
        "listen_addresses": "127.0.0.1",
        "port": str(state.postgres_port),
        "unix_socket_directories": _list_item(str(state.run)),
        "max_connections": str(MAX_CONNECTIONS),
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_cert_file": str(state.tls / "cert.pem"),
        "ssl_key_file": str(state.tls / "key.pem"),
        "ssl_min_protocol_version": "TLSv1.2",
        "hba_file": str(state.etc / "pg_hba.conf"),
        # memory
        "shared_buffers": _mb(shared),
        "effective_cache_size": _mb(_clamp(memory // 2, 64 * MB, 1 << 50)),
        "work_mem": _mb(_clamp(memory // 512, 4 * MB, 64 * MB)),
        "maintenance_work_mem": _mb(_clamp(memory // 32, 32 * MB, GB)),
        "jit": "off",
        # workers
        "max_worker_processes": str(max(8, workers + 6)),
        "max_parallel_workers": str(workers),
        "max_parallel_workers_per_gather": str(_clamp(cores // 2, 1, 4)),
        "max_parallel_maintenance_workers": str(_clamp(cores // 2, 1, 4)),
        "io_method": "worker",
        "random_page_cost": "1.1",
        # write-ahead log
        "wal_level": "replica",
        "wal_compression": "lz4",
        "wal_writer_delay": "10ms",  # what a long commit has to write is mostly written already
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "min_wal_size": "256MB",
        "max_wal_size": "4GB" if memory >= 8 * GB else "1GB",
        # locks: lock in one order, and hear of a deadlock soon
        "deadlock_timeout": "200ms",
        "idle_in_transaction_session_timeout": "10min",
        # what is watched
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.max": "10000",
        "track_io_timing": "on",
        "track_functions": "pl",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "log_min_duration_statement": "1s",
        "log_parameter_max_length": "0",  # parameters are passwords and personal data
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_autovacuum_min_duration": "10s",
        "log_temp_files": "64MB",
    }
    if _shared_memory_is_small():
        values["dynamic_shared_memory_type"] = "mmap"
    return values


def prepare(state: State, *, quiet: bool = True) -> bool:
    """Make the data directory if there is none and write settings and host rules; return whether it was made now.

    Raises CannotRun when initdb fails or the data directory is of another major version.
    """
    made = False
    version = state.pgdata / "PG_VERSION"
    if not version.exists():
        initialize(state)
        made = True
    else:
        have, want = version.read_text().strip(), state.bindir.parent.name.split("-")[1].split(".")[0]
        if have != want:
            raise CannotRun(
                f"the data in {state.pgdata} is of PostgreSQL {have}, the programs are {want}",
                "dump with the old, restore with the new",
            )
    lines = [f"{name} = {_quote(value)}" for name, value in settings(state).items()]
    text = (
        "# Written by `erpgres up` for this machine; what stands in postgresql.auto.conf wins.\n"
        + "\n".join(lines)
        + "\n"
    )
    state.write(state.etc / "postgresql.conf", text, mode=0o640, service=True)
    state.write(state.etc / "pg_hba.conf", host_rules(), mode=0o640, service=True)
    _include(state)
    return made


def host_rules() -> str:
    """Return pg_hba.conf: passwords only, named roles only, the local socket or TLS on the loopback."""
    lines = ["# Written by `erpgres up`. Nobody else gets in: no other role or address, nobody without a password."]
    for kind, address in (("local", ""), ("hostssl", "127.0.0.1/32"), ("hostssl", "::1/128")):
        for database, roles in (("all", "postgres"), ("all", _LOGIN_ROLES), ("replication", "postgres")):
            lines.append(f"{kind:<8}{database:<12}{roles:<62}{address:<14}scram-sha-256")
    return "\n".join(lines) + "\n"


def as_service(state: State, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command as the service account, with a bare environment; output is captured."""
    account = state.account
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command,
        cwd="/",
        env=environment(state),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        **identity,
        **options,
    )


def environment(state: State) -> dict[str, str]:
    """Return the environment of every part: nothing of the caller's that could change what libpq or PostgREST does."""
    names = ("TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
    keep = {name: os.environ[name] for name in names if name in os.environ}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(state.path),
        "ERPGRES_STATE_ID": state.id,
        **keep,
    }


def initialize(state: State) -> None:
    """Make the cluster beside its place and move it there, so that an interrupted run leaves nothing half made."""
    work = Path(tempfile.mkdtemp(prefix=".initdb.", dir=state.path))
    try:
        password = work / "password"
        password.write_text(state.secret("postgres") + "\n")
        for path in (work, password):
            state.give(path)
        data = work / "data"
        answer = as_service(
            state,
            [
                str(state.bindir / "initdb"),
                f"--pgdata={data}",
                "--username=postgres",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--data-checksums",
                "--encoding=UTF8",
                "--locale=C",
                "--lc-messages=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
        )
        if answer.returncode != 0:
            reason = (answer.stderr or answer.stdout).strip().splitlines()
            raise CannotRun(
                f"initdb failed: {reason[-1] if reason else answer.returncode}", "`erpgres doctor` looks for the cause"
            )
        if state.pgdata.exists():
            if any(state.pgdata.iterdir()):
                raise CannotRun(f"{state.pgdata} holds files but no database", "remove it, or `erpgres reset`")
            state.pgdata.rmdir()
        data.rename(state.pgdata)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _include(state: State) -> None:
    """Make initdb's postgresql.conf read ours, named relative to the data directory so that both can be moved."""
    path = state.pgdata / "postgresql.conf"
    line = "include_if_exists = '../etc/postgresql.conf'"
    text = path.read_text()
    if line not in text.splitlines():
        state.write(
            path,
            f"{text.rstrip()}\n\n# Settings that `erpgres up` writes for this machine.\n{line}\n",
            mode=0o600,
            service=True,
        )


def _shared_memory_is_small() -> bool:
    """Say whether /dev/shm is too small for parallel queries (64 MB in a container by default)."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return True
    return found.f_frsize * found.f_blocks < 256 * MB


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _mb(value: int) -> str:
    return f"{value // MB}MB"


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _list_item(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
