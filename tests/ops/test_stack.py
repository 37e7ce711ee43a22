"""The stack as a whole: what `up`, `status`, `down` and `reset` promise, and that every part survives `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from conftest import is_whole
from erpgres.settings import ROOT
from erpgres.stack import libraries, lifecycle, machine, postgres, processes, supervise
from erpgres.stack.state import State


def environment() -> dict[str, str]:
    keep = ("ERPGRES_RUNTIME", "ERPGRES_RUN_AS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ERPGRES_") or name in keep}
    return {**clean, "PYTHONPATH": str(ROOT / "tools")}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "erpgres", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, check=False)


def free_ports() -> int:
    for port in range(35000 + os.getpid() % 2000 * 8, 60000, 4):
        try:
            processes.require_free({str(offset): port + offset for offset in range(4)})
        except Exception:
            continue
        return port
    raise RuntimeError("no free ports")


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
    return found


def healthy(state: State) -> bool:
    return lifecycle.health(state)[1] is None


def part_pids(state: State) -> dict[str, int]:
    return {name: int(part["pid"]) for name, part in supervise.Supervisor(state).parts().items()}


@pytest.fixture
def state(disturbed: State) -> State:
    """The stack that may be disturbed, running and healthy, in a path with a blank and a percent sign."""
    return disturbed


@pytest.fixture
def settled(state: State) -> State:
    """The stack when every part has run for two seconds: one may be started again after the test before."""

    def keeps_running() -> bool:
        parts = supervise.Supervisor(state).parts().values()
        return all(part["statename"] == supervise.RUNNING and part["now"] - part["start"] > 2 for part in parts)

    until(keeps_running)
    return state


def test_a_second_up_changes_nothing(settled: State) -> None:
    state = settled
    before = part_pids(state)
    begun = time.monotonic()
    done = run("up", "-d", "--state", state.path)
    print(f"second up: {time.monotonic() - begun:.1f} s")
    assert (done.returncode, "it was running already" in done.stderr) == (0, True), done.stderr
    assert state.url in done.stdout
    assert part_pids(state) == before


def test_status_shows_every_part(settled: State) -> None:
    state = settled
    done = run("status", "--state", state.path, "--format", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["problems"]) == (0, [])
    assert {part["name"]: part["state"] for part in report["parts"]} == dict.fromkeys(
        ("supervisor", "postgres", "postgrest", "relay", "gateway", "worker"), "running"
    )
    assert report["database_version"].startswith("18.")
    assert report["migration"] > 0
    text = run("status", "--state", state.path)
    assert text.returncode == 0
    assert state.url in text.stdout


def test_services_are_not_root_and_listen_on_the_loopback_only(state: State) -> None:
    supervisor = supervise.Supervisor(state).pid()
    services = [process for process in processes.find(state) if process.pid != supervisor]
    names = {process.name() for process in services}
    assert names == {"postgres", "postgrest", "erpgres-relay", "nginx", "erpgres-worker"}
    assert all(0 not in process.uids() for process in services)
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in services
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", port) for port in lifecycle.ports(state).values()}


def test_secrets_are_for_their_owner_only(state: State) -> None:
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o700
    secrets = {path.name: path.read_text().strip() for path in state.secrets.iterdir()}
    assert {"jwt.key", "password.postgres", "password.authenticator", "password.migrator"} <= secrets.keys()
    assert len(secrets["jwt.key"]) >= 32
    for path in (*state.secrets.iterdir(), state.tls / "key.pem", state.path / "state.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in [entry for folder in (state.etc, state.log) for entry in folder.rglob("*") if entry.is_file()]:
        text = path.read_text(errors="replace")
        if any(secret in text for secret in secrets.values()):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"{path} holds a secret"
    for process in processes.find(state):
        shown = " ".join(process.cmdline())
        assert not any(secret in shown for secret in secrets.values())


def test_postgres_is_set_up_as_promised(state: State) -> None:
    with psycopg.connect(state.dsn("postgres")) as connection:
        settings = dict(connection.execute("select name, setting from pg_settings").fetchall())
        assert connection.execute("select datlocprovider::text, datlocale from pg_database").fetchone() == (
            "b",
            "C.UTF-8",
        )
    assert settings["data_checksums"] == "on"
    assert settings["server_encoding"] == "UTF8"
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["ssl"] == "on"
    assert settings["password_encryption"] == "scram-sha-256"
    assert settings["shared_preload_libraries"] == "pg_stat_statements"
    assert int(settings["max_connections"]) == 100


def test_postgres_lets_in_whom_it_should(state: State) -> None:
    tcp: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": state.postgres_port,
        "dbname": state.database,
        "connect_timeout": 5,
    }
    good: dict[str, Any] = {"user": "migrator", "password": state.secret("migrator")}
    verified = {
        "sslmode": "verify-full",
        "sslrootcert": str(state.tls / "ca.pem"),
        "host": "localhost",
        "hostaddr": "127.0.0.1",
    }
    with psycopg.connect(**{**tcp, **good, **verified}) as connection:
        assert connection.pgconn.ssl_in_use
    refused: list[dict[str, Any]] = [
        {**good, "sslmode": "disable"},
        {**good, "password": "wrong"},
        {"user": "owner", "password": "x"},
        {"user": "nobody_we_know", "password": "x"},
        {**good, "host": str(state.run), "password": "wrong"},
    ]
    for options in refused:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**{**tcp, **options})


def test_psql_and_logs(state: State) -> None:
    done = run("psql", "--state", state.path, "-Atc", "select current_user, 1 + 1")
    assert (done.returncode, done.stdout.strip()) == (0, "migrator|2"), done.stderr
    done = run("logs", "postgres", "-n", "1000", "--state", state.path)
    assert "database system is ready to accept connections" in done.stdout
    done = run("logs", "nothing", "--state", state.path)
    assert (done.returncode, "there is no log of nothing" in done.stderr) == (2, True)


def _postmaster(state: State) -> int:
    return part_pids(state)["postgres"]


def _backend(state: State) -> int:
    with psycopg.connect(state.dsn("postgres")) as connection:
        row = connection.execute("select pid from pg_stat_activity where usename = 'authenticator' limit 1").fetchone()
        assert row
        return int(row[0])


def _postgrest(state: State) -> int:
    return part_pids(state)["postgrest"]


def _relay(state: State) -> int:
    return part_pids(state)["relay"]


def _nginx(state: State) -> int:
    return part_pids(state)["gateway"]


def _worker(state: State) -> int:
    return int(psutil.Process(_nginx(state)).children()[0].pid)


def _job_worker(state: State) -> int:
    return part_pids(state)["worker"]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("victim", [_postmaster, _backend, _postgrest, _relay, _nginx, _worker, _job_worker])
def test_the_death_of_one_process_is_survived(state: State, victim: Callable[[State], int]) -> None:
    pid = victim(state)
    part = next((name for name, own in part_pids(state).items() if own == pid), None)
    restarts = supervise.Supervisor(state).restarts().get(part or "", (0, None))[0]
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid))
    if part:
        until(lambda: part_pids(state).get(part) not in (0, pid, None))
        until(lambda: supervise.Supervisor(state).restarts().get(part, (0, None))[0] == restarts + 1)
    assert is_whole(state, 30)
    until(lambda: run("status", "--state", state.path).returncode == 0)


def test_the_death_of_the_supervisor_is_survived_and_repaired(state: State) -> None:
    supervisor = supervise.Supervisor(state).pid()
    assert supervisor
    before = part_pids(state)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervise.Supervisor(state).pid() is None)
    assert healthy(state)
    for _ in range(3):  # also what PostgREST wants to log is answered
        assert httpx.get(f"{state.url}/api/nothing_of_this_name").status_code in (401, 404)
    told = run("status", "--state", state.path)
    assert (told.returncode, "the supervisor is gone" in told.stdout) == (1, True), told.stdout
    done = run("up", "-d", "--state", state.path)
    assert (done.returncode, "lost their supervisor" in done.stderr) == (0, True), done.stderr
    assert not set(part_pids(state).values()) & set(before.values())
    assert run("status", "--state", state.path).returncode == 0


def test_a_taken_port_is_named_with_its_owner(place: Path) -> None:
    port = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        done = run("up", "-d", "--state", place / "taken", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port + 1} (for PostgreSQL)" in done.stderr
    assert f"pid {os.getpid()} " in done.stderr
    assert "--port" in done.stderr


def test_a_running_stack_refuses_another_port(state: State) -> None:
    done = run("up", "-d", "--state", state.path, "--port", str(state.port + 4))
    assert (done.returncode, "`erpgres down` first" in done.stderr) == (1, True), done.stderr
    assert healthy(state)


@pytest.mark.drill
def test_a_second_stack_in_the_foreground_beside_the_first(state: State, place: Path) -> None:
    # A path too long for sockets, which then lie under the temporary directory.
    second = State(place / ("long " * 25).strip())
    assert second.run.parent != second.path
    process = subprocess.Popen(
        command("up", "--state", second.path, "--port", str(free_ports())),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        second = State(second.path)
        assert second.url in line, process.communicate()
        assert healthy(second)
        assert healthy(state)
        assert second.secret("jwt.key") != state.secret("jwt.key")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said.splitlines()[-1]) == (0, "down")
    assert processes.find(second) == []
    assert not second.run.exists()
    assert healthy(state)


def test_down_leaves_nothing_and_the_data_stay(state: State) -> None:
    with psycopg.connect(state.dsn("postgres", state.database), autocommit=True) as connection:
        connection.execute("create table if not exists public.kept (n integer)")
    done = run("down", "--state", state.path)
    assert (done.returncode, done.stderr.strip()) == (0, "down")
    assert processes.find(state) == []
    assert not state.run.exists()
    assert not state.control.exists()
    assert run("down", "--state", state.path).stderr.strip() == "it was down already"
    assert run("status", "--state", state.path).returncode == 1
    # What a crash and an interrupted start leave behind must not stand in the way; two callers at once neither.
    (state.path / ".initdb.left").mkdir()
    (state.pgdata / "postmaster.pid").write_text(f"{os.getpid()}\n{state.pgdata}\n")
    both = [subprocess.Popen(command("up", "-d", "--state", state.path), env=environment()) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert not (state.path / ".initdb.left").exists()
    assert [process.name() for process in processes.find(state)].count("postgrest") == 1
    with psycopg.connect(state.dsn("postgres", state.database), autocommit=True) as connection:
        connection.execute("drop table public.kept")


def test_reset_removes_a_state_directory_and_nothing_else(place: Path) -> None:
    other = place / "not a state"
    other.mkdir()
    (other / "precious").touch()
    done = run("reset", "--yes", "--state", other)
    assert (done.returncode, (other / "precious").exists()) == (1, True), done.stderr
    mine = State(place / "mine")
    mine.prepare()
    assert run("reset", "--state", mine.path).returncode == 1  # nobody to ask
    assert mine.exists
    assert run("reset", "--yes", "--state", mine.path).returncode == 0
    assert not mine.path.exists()


@pytest.fixture
def outside(place: Path) -> Iterator[str]:
    """A PostgreSQL that is not ours, and the URL of a DBA who may make roles and owns one empty database."""
    helper = State(place / "helper")
    helper.prepare()
    data, port = helper.path / "data", free_ports()
    data.mkdir(mode=0o700)
    helper.give(data)

    def call(program: str, *arguments: str) -> None:
        done = postgres.as_service(helper, [str(helper.bindir / program), *arguments])
        assert done.returncode == 0, done.stderr + done.stdout

    call("initdb", "-D", str(data), "-U", "boss", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{helper.run}' -c fsync=off"
    call("pg_ctl", "-D", str(data), "-w", "-l", str(helper.log / "outside.log"), "-o", options, "start")
    try:
        with psycopg.connect(host=str(helper.run), port=port, user="boss", dbname="postgres", autocommit=True) as boss:
            boss.execute("create role dba login createrole password 'p w@1'")
            boss.execute("create database erp owner dba")
        yield f"postgresql://dba:p%20w%401@127.0.0.1:{port}/erp"
    finally:
        postgres.as_service(helper, [str(helper.bindir / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"])


def test_an_outside_database_is_used_with_the_rights_of_a_dba(place: Path, outside: str) -> None:
    path = place / "outside"
    done = run("up", "-d", "--state", path, "--port", str(free_ports()), "--database-url", outside)
    try:
        assert done.returncode == 0, done.stderr
        state = State(path)
        assert healthy(state)
        assert {"postgrest", "relay", "gateway", "worker"} == part_pids(state).keys()
        assert stat.S_IMODE((path / "state.json").stat().st_mode) == 0o600
        with psycopg.connect(state.dsn("migrator")) as connection:
            assert connection.info.dbname == "erp"
        again = run("up", "-d", "--state", path)
        assert (again.returncode, "running already" in again.stderr) == (0, True), again.stderr
        assert json.loads(run("status", "--state", path, "--format", "json").stdout)["database"] == "erp"
    finally:
        run("down", "--state", path)


@pytest.mark.parametrize(
    ("gigabytes", "cores", "shared", "most_wal"),
    [(1, 1, "128MB", "1GB"), (8, 4, "1024MB", "4GB"), (256, 64, "2048MB", "4GB")],
)
def test_settings_follow_the_machine(place: Path, gigabytes: int, cores: int, shared: str, most_wal: str) -> None:
    values = postgres.settings(State(place / "nowhere"), gigabytes << 30, cores)
    assert (values["shared_buffers"], values["max_wal_size"]) == (shared, most_wal)
    assert int(values["max_parallel_workers"]) <= int(values["max_worker_processes"])


def test_limits_of_the_control_group_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{512 << 20}\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(machine, "_cgroup_folders", lambda controller: [tmp_path])
    assert machine.memory_bytes() == 512 << 20
    assert machine.cores() == 1


def test_doctor_finds_a_healthy_machine(state: State) -> None:
    done = run("doctor", "--state", state.path, "--format", "json")
    assert [finding for finding in json.loads(done.stdout) if not finding["ok"]] == []
    assert done.returncode == 0


def test_a_missing_library_is_named_with_its_package(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ldd = tmp_path / "ldd"
    ldd.write_text("#!/bin/sh\nprintf '\\tlibxml2.so.2 => not found\\n\\tlibc.so.6 => /lib/libc.so.6 (0x1)\\n'\n")
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert libraries.missing(State(place / "x").bindir) == [libraries.Missing("libxml2.so.2", "libxml2")]
    done = run("up", "-d", "--state", place / "lacking", "--port", str(free_ports()))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: this system lacks libxml2.so.2, which PostgreSQL needs"
    assert "apt-get install libxml2" in done.stderr
    told = run("doctor", "--state", place / "lacking")
    assert (told.returncode, "lacks libxml2.so.2 (libxml2)" in told.stdout) == (1, True), told.stdout
