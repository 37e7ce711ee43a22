"""Mixed load on the API, through the gateway, and what each endpoint's clients had to wait.

    with Traffic(state, rate=200) as traffic:
        traffic.mark("add a column")
        ...
        report = traffic.stop()

A process of its own sends the requests, so that the caller's work does not delay them: raw HTTP/1.1 on connections
that are kept, written beforehand as far as possible, under 0.1 ms of CPU a request. The rate is a ceiling: when all
connections wait for answers, nothing is sent, and the report says which rate was reached. A wait is the time from
sending to the whole answer; what a lock holds up it holds up on every connection, so the longest wait is seen.

The longest waits of each phase are kept with the time they began at. What is asked for is data: `traffic.toml` beside
this file, or another file of that form.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg

from erpgres.database import connect
from erpgres.errors import CannotRun
from erpgres.settings import ROOT
from erpgres.stack.state import State
from erpgres.tokens import claims_of, open_session, sign

PLAN = Path(__file__).with_name("traffic.toml")
MINUTES = 600
_PATIENCE = 30.0

# An administrator of the organisation that has the most to read.
_BUSIEST = """
select o.code, u.email
  from core.organization o
  join core.membership m on m.org_id = o.id and m.is_active
  join core.app_user u on u.id = m.user_id and u.is_active and u.kind = 'INTERNAL'
  join core.user_role ur on ur.org_id = o.id and ur.user_id = u.id
  join core.role r on r.org_id = o.id and r.id = ur.role_id and r.is_administrator
 where (%(org)s::text is null or o.code = %(org)s) and (%(user)s::text is null or lower(u.email) = lower(%(user)s))
 order by (select count(*) from (select from core.item i where i.org_id = o.id limit 1000) s) desc, o.code, u.email
 limit 1
"""


@dataclass
class Endpoint:
    """What the clients of one endpoint saw: milliseconds from sending to the whole answer.

    `limited` are requests that the gateway refused because of its rate limit (429): neither failed nor measured.
    `over` counts those that waited over half a second.
    """

    name: str
    requests: int = 0
    failed: int = 0
    limited: int = 0
    longest_ms: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    over: int = 0


@dataclass(frozen=True)
class Slow:
    """One of the longest waits: the endpoint, milliseconds, and when it was asked (seconds since 1970)."""

    name: str
    ms: float
    at: float


@dataclass
class Report:
    """What was sent and how long it took, in all, for each endpoint, and for each phase that `mark` began.

    `cpu_seconds` is the processor time of the process that sends: what the load itself takes from the machine.
    """

    seconds: float
    requests: int
    failed: int
    limited: int
    longest_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    over: int = 0
    cpu_seconds: float = 0.0
    slowest: list[Slow] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    phases: dict[str, Report] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "rate": round(self.rate, 1)}


class Traffic:
    """Load on the API of a stack until it is stopped; see the module."""

    def __init__(
        self,
        state: State,
        *,
        rate: float = 200.0,
        connections: int = 16,
        user: str | None = None,
        organization: str | None = None,
        plan: Path = PLAN,
        url: str | None = None,
        dsn: str | None = None,
    ) -> None:
        """Prepare load of at most `rate` requests a second on `connections` connections to the stack's gateway.

        `user` (e-mail) and `organization` (code): whose requests they are; when left out an administrator of the
        organisation with most items. `url` and `dsn` (migrator's) name another gateway and database with the keys of
        this state. The gateway's limits count: start the stack with a high ERPGRES_RATE_USER.
        """
        self._state, self._rate, self._connections = state, rate, connections
        self._user, self._organization = user, organization
        self._plan = plan
        self._url = url or state.url
        self._dsn = dsn or state.dsn("migrator")
        self._process: subprocess.Popen[str] | None = None
        self._last: Report | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Traffic:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to send; returns when the first answers have come. Raises CannotRun when that does not happen."""
        orders = self._orders()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "erpgres.migrate.traffic_client"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT / "tools")},
        )  # fmt: skip
        self._say(json.dumps(orders))
        answer = self._hear()
        if answer.get("error"):
            self.close()
            raise CannotRun(f"no traffic: {answer['error']}", "is the stack running? erpgres status")

    def mark(self, phase: str) -> None:
        """Count what is sent from now on in this phase, too; a name may come back."""
        with self._lock:
            self._say(json.dumps({"do": "mark", "phase": phase}))
            self._hear()

    def report(self) -> Report:
        """Return what was seen so far, or, when it is stopped, in all."""
        with self._lock:
            if self._process is None:
                assert self._last is not None, "it was never started"
                return self._last
            self._say(json.dumps({"do": "report"}))
            return _read(self._hear(), self._left_out)

    def stop(self) -> Report:
        """Wait for the answers that are still to come and return what was seen."""
        with self._lock:
            if self._process is None:
                assert self._last is not None, "it was never started"
                return self._last
            self._say(json.dumps({"do": "stop"}))
            self._last = _read(self._hear(), self._left_out)
        self.close()
        return self._last

    def close(self) -> None:
        """End the process that sends, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _say(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None, "it is not started"
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise CannotRun("the process that sends the requests has ended") from None

    def _hear(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun("the process that sends the requests has ended")
        return dict(json.loads(line))

    # ---- what is asked for -------------------------------------------------------------------------------------------

    def _orders(self) -> dict[str, Any]:
        plan = tomllib.loads(self._plan.read_text(encoding="utf-8"))
        tokens = self._tokens()
        found = self._find(plan.get("find", {}), tokens[0])
        endpoints, self._left_out = [], []
        for endpoint in plan["endpoint"]:
            wanted = {name for name in found if "{" + name + "}" in endpoint["path"] + endpoint.get("body", "")}
            if any(not found[name] for name in wanted):
                self._left_out.append(endpoint["name"])
            else:
                endpoints.append(endpoint)
        given = {endpoint.get("gives") for endpoint in endpoints}
        self._left_out += [e["name"] for e in endpoints if e.get("take") and e["take"] not in given]
        endpoints = [e for e in endpoints if e["name"] not in self._left_out]
        if not endpoints:
            raise CannotRun("there is nothing to ask for: the organisation has no data", "`erpgres seed` makes some")
        parts = urlsplit(self._url)
        return {
            "host": parts.hostname, "port": parts.port or (443 if parts.scheme == "https" else 80),
            "tls": parts.scheme == "https", "rate": self._rate, "connections": self._connections, "tokens": tokens,
            "values": {name: values for name, values in found.items() if values}, "endpoints": endpoints,
        }  # fmt: skip

    def _tokens(self) -> list[str]:
        """Sign tokens of four sessions of the user."""
        key = self._state.secret("jwt.key").strip()
        with connect(self._dsn, autocommit=True) as connection:
            try:
                row = connection.execute(_BUSIEST, {"org": self._organization, "user": self._user}).fetchone()
            except psycopg.errors.UndefinedTable:
                raise CannotRun("the database is not migrated", "erpgres migrate") from None
            if row is None and self._user is None:
                raise CannotRun("no organisation has an administrator who could ask", "`erpgres seed` makes some")
            code, user = row or (self._organization, self._user)
            claims = claims_of(connection, str(user), code)
            sessions = [open_session(connection, claims, MINUTES) for _ in range(4)]
        return [sign({**claims, "sid": session}, key, MINUTES) for session in sessions]

    def _find(self, queries: dict[str, str | list[str]], token: str) -> dict[str, list[str]]:
        """Ask the API for the values that requests are made with: of one list, or of several together."""
        found: dict[str, list[str]] = {}
        with httpx.Client(verify=False, timeout=_PATIENCE, headers={"Authorization": f"Bearer {token}"}) as client:
            for name, asked in queries.items():
                lists = [asked] if isinstance(asked, str) else asked
                found[name] = [value for query in lists for value in self._values(client, query)]
        return found

    def _values(self, client: httpx.Client, query: str) -> list[str]:
        try:
            answer = client.get(f"{self._url}/api/{query}")
        except httpx.TransportError as error:
            raise CannotRun(f"the gateway does not answer: {error}", "erpgres status") from None
        if answer.status_code != 200:
            raise CannotRun(f"no traffic: {query} gave {answer.status_code} {answer.text[:200]}")
        return [quote(str(row["id"]), safe="-") for row in answer.json()]


def _read(answer: dict[str, Any], left_out: list[str]) -> Report:
    """Turn the sender's answer into a report."""
    phases = {name: _read(part, []) for name, part in answer.pop("phases", {}).items()}
    endpoints = [Endpoint(**endpoint) for endpoint in answer.pop("endpoints")]
    slowest = [Slow(**wait) for wait in answer.pop("slowest")]
    return Report(**answer, slowest=slowest, endpoints=endpoints, phases=phases, left_out=left_out)
