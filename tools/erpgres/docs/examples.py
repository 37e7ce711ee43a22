"""Examples of the API: what docs/examples asks for and one request to each view, sent to a running stack."""

from __future__ import annotations

import contextlib
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from erpgres import database, settings, tokens
from erpgres.docs.model import Model
from erpgres.errors import CannotRun, Refused
from erpgres.stack.state import State

FOLDER = Path("docs/examples")
_LINES = 48
_SECRET = re.compile(r"(?<=\")(eyJ|er[a-z]_)[\w.-]{12,}(?=\")")
_PLACE = re.compile(r"\{(\w+)\}")
_KEYS = {"view", "function", "title", "as", "method", "query", "body", "accept", "status", "keep", "save"}


@dataclass
class Example:
    """A request: of `kind` "view" or "function" and `name`, by a user (None: nobody), and its status and answer.

    `keep`: what it writes stays, for examples after it; else it is rolled back.
    """

    kind: str
    name: str
    title: str
    user: str | None
    method: str
    query: str = ""
    body: Any = None
    accept: str = ""
    status: int = 200
    keep: bool = False
    save: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    type: str = ""

    @property
    def path(self) -> str:
        """The path below the gateway, with the query."""
        return f"/api/{'rpc/' if self.kind == 'function' else ''}{self.name}{'?' + self.query if self.query else ''}"

    @property
    def request(self) -> str:
        """The body as it is shown."""
        return "" if self.body is None else json.dumps(self.body, indent=2, ensure_ascii=False)


@dataclass
class Plan:
    """What docs/examples holds: values to look up first ({name: GET below /api/}), passwords to set, and examples."""

    find: dict[str, tuple[str, str]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)


def load(root: Path = settings.ROOT) -> Plan:
    """Read docs/examples/*.toml. Raises Refused for a file that cannot be understood."""
    plan = Plan()
    for path in sorted((root / FOLDER).glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            user = content.get("as")
            plan.find |= {name: (user, query) for name, query in content.get("find", {}).items()}
            plan.passwords |= content.get("passwords", {})
            for entry in content.get("example", []):
                unknown = entry.keys() - _KEYS
                if unknown:
                    raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
                kind = "view" if "view" in entry else "function"
                method = entry.get("method", "GET" if kind == "view" or "body" not in entry else "POST")
                plan.examples.append(
                    Example(
                        kind, entry[kind], entry["title"], entry.get("as", user) or None, method,
                        entry.get("query", ""), entry.get("body"), entry.get("accept", ""), entry.get("status", 200),
                        entry.get("keep", False), entry.get("save", {}),
                    )
                )  # fmt: skip
        except (tomllib.TOMLDecodeError, KeyError, ValueError) as error:
            raise Refused(f"{FOLDER.as_posix()}/{path.name} cannot be read: {error}") from error
    return plan


def usual(model: Model, users: dict[str, str]) -> Iterator[Example]:
    """Make a request for each view, and for each reading function that needs no parameter.

    `users` are e-mail addresses by role ("member", "partner"): each request is sent as the first that may.
    """
    for view in model.api_views:
        role = next((role for role in ("member", "partner", "anon") if role in view.roles("select")), None)
        if role:
            order = "&order=id.desc" if view.column("id") else ""
            yield Example("view", view.short, "The first two rows", users.get(role), "GET", f"limit=2{order}")
    for function in model.functions:
        if function.reads_only and not any(one.required for one in function.parameters):
            role = next((role for role in ("member", "partner", "anon") if role in function.roles), None)
            if role:
                yield Example("function", function.name, "As it is", users.get(role), "GET")


class Runner:
    """Sends examples to a stack's gateway. `throw_away`: what they write may stay, and passwords may be set."""

    def __init__(self, state: State, *, throw_away: bool) -> None:
        self.state = state
        self.throw_away = throw_away
        self.values: dict[str, Any] = {}
        self._tokens: dict[str, str] = {}
        self._client = httpx.Client(base_url=state.url, timeout=60, trust_env=False)

    def run(self, plan: Plan, more: list[Example], progress: Callable[[str], None]) -> list[Example]:
        """Send all and return those that were answered as they say. Raises Refused when one was not.

        On a stack that is not thrown away, examples that keep something and those that build on them are left out.
        """
        done, wrong = [], []
        with self._client:
            if self.throw_away:
                self._set_passwords(plan.passwords)
            for name, (user, query) in plan.find.items():
                found = self._send(Example("view", "", "", user, "GET"), f"/api/{query}").json()
                if isinstance(found, list) and found:
                    self.values[name] = next(iter(found[0].values()))
            for example in [*plan.examples, *more]:
                lacking = set(_PLACE.findall(json.dumps([example.query, example.body]))) - self.values.keys()
                told = f"{example.kind} {example.name}, {example.title}"
                if (example.keep or lacking) and not self.throw_away:
                    continue
                if lacking:
                    wrong.append(f"{told}: nothing is {', '.join(sorted(lacking))}")
                    continue
                answer = self._answered(example)
                if answer.status_code != example.status:
                    wrong.append(f"{told}: {answer.status_code}, not {example.status}: {answer.text[:300]}")
                done.append(example)
        if wrong:
            for line in wrong:
                progress(line)
            raise Refused(f"{len(wrong)} examples are not answered as they say", "see the lines above")
        return done

    def get(self, path: str, user: str, accept: str) -> httpx.Response:
        """Ask for a path as a user."""
        with self._client:
            return self._send(Example("view", "", "", user, "GET", accept=accept), path)

    def _answered(self, example: Example) -> httpx.Response:
        example.query = _filled(example.query, self.values)
        example.body = _filled(example.body, self.values)
        if example.method in ("POST", "PATCH") and example.kind == "view":
            example.headers["Prefer"] = "return=representation"
        answer = self._send(example, quote(example.path, safe="/?&=.,:()*-_!%{}[]\"'|"))
        example.answer, example.type = shown(answer), answer.headers.get("Content-Type", "").split(";")[0]
        if answer.status_code == example.status and example.save:
            content = answer.json()
            content = content[0] if isinstance(content, list) else content
            self.values |= {name: content[key] for name, key in example.save.items()}
        return answer

    def _send(self, example: Example, path: str) -> httpx.Response:
        headers = {"Accept": example.accept or "application/json", **example.headers}
        if example.user:
            headers["Authorization"] = f"Bearer {self._token(example.user)}"
        if example.method != "GET" and not example.keep:
            headers["Prefer"] = ", ".join(part for part in (headers.get("Prefer"), "tx=rollback") if part)
        for _ in range(30):
            body = None if example.body is None and example.method == "GET" else json.dumps(example.body or {})
            if body is not None:
                headers["Content-Type"] = "application/json"
            try:
                answer = self._client.request(example.method, path, headers=headers, content=body)
            except httpx.HTTPError as error:
                raise CannotRun(f"{self.state.url} does not answer: {error}", "is the stack running?") from error
            if answer.status_code != 429 or example.status == 429:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        return answer

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            with database.connect(self.state.dsn("migrator"), autocommit=True) as connection:
                claims = tokens.claims_of(connection, user)
                claims["sid"] = tokens.open_session(connection, claims)
            self._tokens[user] = tokens.sign(claims, self.state.secret("jwt.key"))
        return self._tokens[user]

    def _set_passwords(self, passwords: dict[str, str]) -> None:
        with database.connect(self.state.dsn("migrator"), autocommit=True) as connection:
            for email, password in passwords.items():
                connection.execute(
                    "select core.set_password(id, %s) from core.app_user where email = %s", [password, email]
                )


def _filled(value: Any, values: dict[str, Any]) -> Any:
    """Put found values in the place of `{name}`, everywhere in a body or query."""
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        if whole and whole[1] in values:
            return values[whole[1]]
        return _PLACE.sub(lambda match: str(values.get(match[1], match[0])), value)
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return value


def shown(answer: httpx.Response) -> str:
    """Return an answer's body as it is shown: indented, secrets shortened, cut after so many lines."""
    text = answer.text
    if "json" in answer.headers.get("Content-Type", ""):
        with contextlib.suppress(ValueError):
            text = json.dumps(answer.json(), indent=2, ensure_ascii=False)
    text = _SECRET.sub(r"\1…", text)
    lines = text.splitlines()
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"… and {len(lines) - _LINES + 1} lines more"]
    return "\n".join(line if len(line) <= 400 else line[:399] + "…" for line in lines)
