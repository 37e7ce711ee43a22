"""Beyond views: embedding along foreign keys, functions, tokens that must open nothing, the OpenAPI description."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from erpgres.prove.findings import Cells, Findings, put
from erpgres.prove.principals import BadToken, Principal
from erpgres.prove.sample import EVERYTHING, Sample
from erpgres.prove.surface import Function, Surface
from erpgres.prove.views import Known, key
from erpgres.prove.web import ROLLBACK, Ask, Web, prefer
from erpgres.prove.world import World

Connection = psycopg.Connection[Any]
Token = Callable[[Principal], str | None]

# One value of each type of argument; of another type it is null.
VALUES: dict[str, Any] = {
    "text": "PROVE",
    "integer": 1,
    "bigint": 1,
    "numeric": 1,
    "jsonb": [],
    "json": [],
    "date": "2026-01-01",
    "boolean": False,
    "text[]": [],
    "timestamp with time zone": "2026-01-01T00:00:00Z",
    "uuid[]": [],
    "inet": "127.0.0.1",
}


# What rows of both organisations of the proof are called: codes, names, the beginning of either.
SHARED_TEXTS = ("LOTTED", "lott", "OWN", "OTHER", "L1", "12345", "Vouchers", "contact", "1")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def embed(
    web: Web,
    surface: Surface,
    world: World,
    known: Known,
    token: Token,
    findings: Findings,
    *,
    full: bool = False,
    sample: Sample = EVERYTHING,
) -> int:
    """Embed along every foreign key, both ways, also with filters on the embedded rows; returns how many rows came.

    With a sample along one in so many, both ways.
    """
    views = {v.name: v for v in surface.views}
    names = ["admin", "partner", "superadmin_in_org", "other_admin"]
    names += ["member", "two_orgs", "other_partner"] if full else []
    people = [p for p in [*world.callers, *world.strangers] if p.name in names]
    asked: dict[tuple[str, str, str, str], Ask] = {}
    for link in sample.of(surface.relationships):
        for first, second in ((link.view, link.other), (link.other, link.view)):
            outer, inner = key(views[first]), key(views[second])
            if not outer or not inner:
                continue
            for who in people:
                hidden = world.theirs.org_id if who.org_id == world.ours.org_id else world.ours.org_id
                mine = ",mine:user_id" if views[first].has("user_id") else ""
                select = f"whose:{outer}{mine},inner:{second}!{link.constraint}(whose:{inner})"
                asked[who.name, first, link.constraint, second] = Ask(
                    "GET", first, token(who), {"select": select, "limit": "100"}
                )
                asked[who.name, first, link.constraint, f"{second} filtered"] = Ask(
                    "GET",
                    first,
                    token(who),
                    {
                        "select": select.replace("!" + link.constraint, f"!{link.constraint}!inner"),
                        f"inner.{inner}": f"eq.{hidden}",
                        "limit": "100",
                    },
                )
    count = 0
    roles = {p.name: p for p in people}
    for (name, first, constraint, second), answer in web.by_key(asked).items():
        who = roles[name]
        for row in answer.rows:
            inner_rows = row["inner"] if isinstance(row["inner"], list) else [row["inner"]] if row["inner"] else []
            count += len(inner_rows)
            if row.get("mine") is not None and row["mine"] == who.user_id:
                continue  # what happened to oneself is shown wherever it happened
            owners = {row["whose"], *(r["whose"] for r in inner_rows)} - {None}
            if who.role != "superadmin" and not owners <= {who.org_id}:
                findings.add(
                    "rows of another organisation", f"api.{first}", f"{name}: embedding {second} by {constraint}"
                )
            elif len(owners) > 1:
                findings.add(
                    "an embedded row of another organisation", f"api.{first}", f"{name}: {second} by {constraint}"
                )
    if count == 0 and sample.is_all:
        findings.add("nothing proved", "embedding", "no embedded row came")
    return count


def arguments(function: Function, **given: Any) -> dict[str, Any]:
    """A body that fits the function: required arguments with a value of their type."""
    body = {}
    for name, kind, optional in function.arguments:
        if name in given:
            body[name] = given[name]
        elif not optional:
            body[name] = str(uuid.UUID(int=7 << 76 | 2 << 62)) if kind == "uuid" else VALUES.get(kind)
    return body


def call(
    web: Web,
    surface: Surface,
    world: World,
    token: Token,
    cells: Cells,
    sample: Sample = EVERYTHING,
) -> set[str]:
    """Call every function as everybody; returns what was called. With a sample the others take turns with `admin`."""
    rollback = prefer(ROLLBACK)
    asked: dict[tuple[str, str, str], Ask] = {}
    for place, f in enumerate(surface.api_functions):
        for turn, who in enumerate(world.callers):
            if who.name == "admin" or sample.takes(place, turn):
                asked[f.name, "POST", who.name] = Ask("POST", f"rpc/{f.name}", token(who), {}, rollback, arguments(f))
            if sample.takes(place, turn, 1):
                asked[f.name, "GET", who.name] = Ask("GET", f"rpc/{f.name}", token(who), {}, rollback)
    for (name, right, who_name), answer in web.by_key(asked).items():
        put(cells, f"rpc/{name}", right, who_name, answer.word)
    return {name for name, _, _ in asked}


def call_with_foreign_ids(
    web: Web,
    surface: Surface,
    world: World,
    known: Known,
    token: Token,
    connection: Connection,
    findings: Findings,
    *,
    full: bool = False,
    sample: Sample = EVERYTHING,
) -> int:
    """Call every function with every id of another organisation; what succeeds is kept, and must not be theirs.

    With a sample only with one in so many ids, each argument with others. Asked last, because nothing is rolled back.
    Returns how many calls it made.
    """
    before = fingerprint(connection, surface, world.theirs.org_id)
    values = _foreign_ids(world, known, full=full)
    names = ("admin", "unit", "partner", "two_orgs") if full else ("admin", "partner")
    people = [p for p in world.callers if p.name in names]
    asked: dict[tuple[str, str, str, str], Ask] = {}
    turn = 0
    for f in surface.api_functions:
        for name, kind, _ in f.arguments:
            # A client may make the id of what it makes, and that of its device.
            made = name == "device" or (name == "id" and f.name.endswith("_create"))
            if kind not in ("uuid", "uuid[]") or made:
                continue
            turn += 1
            for who in people:
                some = sample.of(values, turn)
                # Who may not call it is refused before any argument is looked at: one id shows that.
                for value in some if full or (f.name, who.role) in known.callable else some[:1]:
                    given = {name: [value] if kind == "uuid[]" else value}
                    asked[f.name, name, value, who.name] = Ask(
                        "POST", f"rpc/{f.name}", token(who), {}, {}, arguments(f, **given)
                    )
    reads = {f.name for f in surface.api_functions if not f.is_volatile}
    for (function, argument, value, who_name), answer in web.by_key(asked).items():
        if function in reads and answer.rows and all(row.get("org_id") == world.ours.org_id for row in answer.rows):
            continue  # a list that begins after an id, whosever it is, of nothing but own rows
        if answer.status < 400 and (answer.json or function.endswith("_create")):
            findings.add(
                "a function reaches another organisation",
                f"api.{function}",
                f"{who_name}: {argument} = {value}: {answer.word} {answer.body[:120]!r}",
            )
    after = fingerprint(connection, surface, world.theirs.org_id)
    for table in sorted(before):
        if before[table] != after[table]:
            findings.add("a function changes another organisation", table, "its rows there are not what they were")
    return len(asked)


def read_with_shared_texts(
    web: Web, surface: Surface, world: World, token: Token, connection: Connection, findings: Findings
) -> int:
    """Ask every function that only reads for words that both organisations have; no id of theirs may come.

    Functions that search run as `owner` on tables that no policy divides. Returns how many answers had anything.
    """
    theirs = _ids_of(connection, surface, world.theirs.org_id) - _ids_of(connection, surface, world.ours.org_id)
    people = [p for p in world.callers if p.name in ("admin", "two_orgs", "partner")]
    asked: dict[tuple[str, str, str, str], Ask] = {}
    for f in surface.api_functions:
        for name, kind, _ in f.arguments if not f.is_volatile else ():
            for text in SHARED_TEXTS if kind == "text" else ():
                for who in people:
                    body = arguments(f, **{name: text})
                    asked[f.name, name, text, who.name] = Ask("POST", f"rpc/{f.name}", token(who), {}, {}, body)
    count = 0
    for (function, argument, text, who_name), answer in web.by_key(asked).items():
        count += bool(answer.status < 300 and answer.json)
        if theirs & {*_UUID.findall(answer.body.decode(errors="replace"))}:
            told = f"{who_name}: {argument} = {text}: {answer.word} {answer.body[:120]!r}"
            findings.add("a function reaches another organisation", f"api.{function}", told)
    if count == 0:
        findings.add("nothing proved", "functions with texts", "none of them found anything")
    return count


def _ids_of(connection: Connection, surface: Surface, org_id: str) -> set[str]:
    """The ids of all rows of an organisation."""
    tables = [t for t in surface.tables if t.kind == "table" and t.has("org_id") and t.has("id")]
    ids = " union all ".join(f"select id::text from {t.full} where org_id = %(org)s" for t in tables)
    return {row[0] for row in connection.execute(ids, {"org": org_id})}


def _foreign_ids(world: World, known: Known, *, full: bool) -> list[str]:
    """An id of each thing that the other organisation has; of what no view shows by itself, one for each name."""
    ids = {view: row["id"] for view, row in known.other.items() if "id" in row}
    ids["organization"] = world.theirs.org_id
    there = {*ids.values()}
    for view, row in sorted(known.other.items()):
        for column, value in row.items():
            if column.endswith("_id") and column != "org_id" and value and value not in there:
                ids.setdefault(f"{view} {column}" if full else column, value)
    return sorted({*ids.values()} - {world.ours.users["both"]})  # a member here, too


def fingerprint(connection: Connection, surface: Surface, org_id: str) -> dict[str, str]:
    """A hash of all rows of an organisation, table by table. `connection` is a superuser's."""
    found = {}
    for table in surface.tables:
        if table.kind == "partition" or not (table.has("org_id") or table.full == "core.organization"):
            continue
        column = "id" if table.full == "core.organization" else "org_id"
        row = connection.execute(
            f"select coalesce(md5(string_agg(h, ',' order by h)), '') "
            f"from (select md5(t::text) as h from {table.full} as t where {column} = %s) as r",
            [org_id],
        ).fetchone()
        assert row is not None
        found[table.full] = row[0]
    return found


def refuse(
    web: Web,
    surface: Surface,
    bad: list[BadToken],
    cells: Cells,
    findings: Findings,
    *,
    full: bool = False,
    sample: Sample = EVERYTHING,
) -> int:
    """Send every bad token to every view and every function; all must be refused, each in one way.

    Every verb comes with every token and, as they take turns, with every view; with `full` each with each.
    With a sample a token goes to one in so many of them, the next one to others.
    """
    body: dict[str, Any] = {}
    verbs = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
    count = 0
    for turn, token in enumerate(bad):
        asked: dict[tuple[str, str], Ask] = {("", "GET"): Ask("GET", "", token.token)}
        for number, view in enumerate(surface.views):
            if not sample.takes(turn, number):
                continue
            only = {view.columns[0].name: "not.is.null"}
            first = (turn + number // sample.every) % len(verbs)
            for method in verbs if full else (verbs[first], verbs[first - 3]):
                query = only if method in ("PATCH", "DELETE", "PUT") else {}
                sent = body if method in ("POST", "PATCH", "PUT") else None
                asked[view.name, method] = Ask(method, view.name, token.token, query, prefer(ROLLBACK), sent)
        for f in sample.of(surface.api_functions, turn):
            asked[f"rpc/{f.name}", "POST"] = Ask(
                "POST", f"rpc/{f.name}", token.token, {}, prefer(ROLLBACK), arguments(f)
            )
        answers = web.by_key(asked)
        count += len(answers)
        # PUT is refused by its form before anybody asks who it is; HEAD has no body that could hold a code.
        words = sorted({a.word for (_, method), a in answers.items() if method not in ("HEAD", "PUT")})
        put(cells, token.name, token.says, "answer", ", ".join(words))
        for (where, method), answer in answers.items():
            if answer.status not in (401, 403) and not (method == "PUT" and answer.word == "405 PGRST105"):
                findings.add("a bad token is refused", where or "/", f"{token.name}: {method} {answer.word}")
        if len(words) != 1:
            findings.add("a bad token is refused in one way", token.name, ", ".join(words))
    return count


def describe(web: Web, surface: Surface, world: World, known: Known, token: Token, findings: Findings) -> None:
    """The OpenAPI description must list what a caller may use, and nothing else."""
    for who in world.callers:
        answer = web.one(Ask("GET", "", token(who)))
        paths = set((answer.json or {}).get("paths", {})) - {"/"}
        expected = {f"/{v.name}" for v in surface.views if known.readable[v.name, who.role]}
        for path in sorted(paths):
            name = path.removeprefix("/rpc/")
            if path.startswith("/rpc/"):
                if (name, who.role) not in known.callable:
                    findings.add("the description lists what is refused", path, who.name)
            elif path not in expected:
                findings.add("the description lists what is refused", path, who.name)
        expected |= {f"/rpc/{f.name}" for f in surface.api_functions if (f.name, who.role) in known.callable}
        for path in sorted(expected - paths):
            findings.add("the description lacks what is allowed", path, who.name)
