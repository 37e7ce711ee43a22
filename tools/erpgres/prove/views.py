"""Every view and column through the gateway: reading, writing, counting, filtering, ordering, media types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from erpgres.prove import reach, rights
from erpgres.prove.findings import Cells, Findings, put
from erpgres.prove.principals import BACK, Principal
from erpgres.prove.sample import EVERYTHING, Sample
from erpgres.prove.surface import API_ROLES, Relation, Surface
from erpgres.prove.web import ROLLBACK, Answer, Ask, Web, columns, prefer
from erpgres.prove.world import World

Connection = psycopg.Connection[Any]

WRITTEN = {"insert": "columns inserted", "update": "columns updated"}
MEDIA = (
    "text/csv",
    "application/vnd.pgrst.object+json",
    "application/geo+json",
    "application/octet-stream",
    "text/html",
)
REFUSED_MEDIA = 'application/vnd.pgrst.plan+json; for="application/json"'
# Rights to columns and media types are a role's: one principal of each asks about them.
ONE_OF_EACH_ROLE = ("anonymous", "admin", "partner", "superadmin_in_org")
FORBIDDEN = (401, 403)
CODES = ("sku", "code")


@dataclass
class Known:
    """What SQL says about the views: columns a role may read and write, rows a principal sees, and sample rows."""

    readable: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    writable: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    scopes: dict[tuple[str, str], str] = field(default_factory=dict)
    callable: set[tuple[str, str]] = field(default_factory=set)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    other: dict[str, dict[str, Any]] = field(default_factory=dict)

    def count(self, view: str, who: str) -> int | None:
        """How many rows somebody sees in SQL; None when he may not look."""
        seen = self.seen[view, who]
        return None if seen == "42501" else int(seen.split()[0])


def key(view: Relation) -> str | None:
    """The column that says whose a row is."""
    return "id" if view.name == "organizations" else "org_id" if view.has("org_id") else None


def learn(connection: Connection, surface: Surface, world: World, sample: Sample = EVERYTHING) -> Known:
    """Ask all of it in SQL. `connection` is a superuser's to the database that the gateway shows."""
    known = Known()
    scopes = reach.Scopes(connection, world)
    with connection.transaction(force_rollback=True):
        for role in API_ROLES:
            cells = rights.function(connection, role, surface.api_functions)
            known.callable |= {(f.name, role) for f in surface.api_functions if cells[f.full] == "yes"}
            allowed = rights.relations(connection, role, surface.views, sample=sample)
            for view in surface.views:
                known.readable[view.name, role] = _named(allowed[view.full]["select"], [c.name for c in view.columns])
                for command in ("insert", "update"):
                    writable = [c.name for c in view.columns if c.writable]
                    known.writable[view.name, role, command] = _named(allowed[view.full][command], writable)
        for who in [*world.callers, *world.strangers]:
            queries = {
                view: reach.stable(view, readable)
                for view in surface.views
                if (readable := known.readable[view.name, who.role])
            }
            connection.execute(who.become())
            rows = connection.execute(
                "select prove.rows(q) from unnest(%s::text[]) with ordinality as u (q, n) order by n",
                [[*queries.values()]],
            ).fetchall()
            connection.execute(BACK)
            seen = {view.name: row[0] for view, row in zip(queries, rows, strict=True)}
            for view in surface.views:
                known.seen[view.name, who.name] = seen.get(view.name, "42501")
                known.scopes[view.name, who.name] = (
                    scopes.name(view, queries[view], who, seen[view.name]) if view in queries else "-"
                )
        for view in surface.views:
            column = key(view)
            for side, samples in ((world.ours, known.own), (world.theirs, known.other)):
                where = f"where {column} = '{side.org_id}'" if column else ""
                if where and samples is known.other and view.has("id") and column != "id":
                    where += f" and id not in (select id from {view.full} where {column} = '{world.ours.org_id}')"
                found = connection.execute(f"select to_jsonb(v) from {view.full} as v {where} limit 1").fetchone()
                if found and (column or samples is known.own):
                    samples[view.name] = found[0]
    return known


def _named(cell: str, names: list[str]) -> list[str]:
    cell = cell.split(" (")[0]
    if cell in ("-", rights.WITHOUT_EFFECT):
        return []
    if cell == "*":
        return names
    if cell.startswith("* but "):
        missing = cell.removeprefix("* but ").split()
        return [name for name in names if name not in missing]
    return cell.split()


def nothing_proved(connection: Connection, surface: Surface, world: World, known: Known, findings: Findings) -> None:
    """Find views and tables without the rows that a proof needs: of both organisations, seen by somebody."""
    scopes = reach.Scopes(connection, world)
    for relation in [*surface.views, *(t for t in surface.tables if t.kind == "table" and t.has_rls)]:
        place = "tools/erpgres/prove/world/<domain>.py"
        behind = relation.schema
        if relation.kind == "view":
            row = connection.execute(
                "select n.nspname from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass "
                "and d.objid = w.oid and d.refclassid = 'pg_class'::regclass join pg_class c on c.oid = d.refobjid "
                "join pg_namespace n on n.oid = c.relnamespace where w.ev_class = %s::bigint::oid "
                "and n.nspname <> 'api' order by d.refobjid limit 1",
                [relation.oid],
            ).fetchone()
            behind = row[0] if row else behind
        place = place.replace("<domain>", behind)
        for side in (world.ours, world.theirs):
            if scopes.count(relation, side.org_id) == 0:
                findings.add(
                    "nothing proved", relation.full, f"{side.code} has no row in it; fill() in {place} makes them"
                )
        if relation.kind == "view" and not any(known.count(relation.name, p.name) for p in world.callers):
            findings.add("nothing proved", relation.full, f"nobody sees a row of it; fill() in {place} makes them")


def ask(
    web: Web,
    surface: Surface,
    world: World,
    known: Known,
    token: Callable[[Principal], str | None],
    cells: Cells,
    findings: Findings,
    sample: Sample = EVERYTHING,
) -> set[tuple[str, str]]:
    """Ask every view as everybody; returns the columns that were read or refused, by view.

    With a sample everybody still lists every view, with all columns that he may read; the other ways to ask, and the
    columns one by one, take turns with the views and with who asks.
    """
    covered: set[tuple[str, str]] = set()
    for place, view in enumerate(surface.views):
        asked: dict[tuple[str, str], Ask] = {}
        for turn, who in enumerate([*world.callers, *world.strangers]):
            reads = _reads(view, who, known, token(who))
            asked |= {
                (who.name, right): a
                for number, (right, a) in enumerate(reads.items())
                if right == "GET" or sample.takes(place, turn, number)
            }
        for turn, who in enumerate(world.callers):
            writes = _writes(view, who, world, known, token(who))
            taken = {right for number, right in enumerate(writes) if sample.takes(place, turn, number)}
            taken |= {"PATCH"} if "PATCH all" in taken else set()  # of which it must reach as much
            asked |= {(who.name, right): a for right, a in writes.items() if right in taken}
            if who.name in ONE_OF_EACH_ROLE:
                one_by_one = _columns(view, who, known, token(who), sample, place)
                asked |= {(who.name, right): a for right, a in one_by_one.items()}
        answers = web.by_key(asked)
        for who in [*world.callers, *world.strangers]:
            mine = {right: answer for (name, right), answer in answers.items() if name == who.name}
            if who in world.callers:
                _judge_writes(view, who, world, mine, findings)
                if who.name in ONE_OF_EACH_ROLE:
                    covered |= {(view.name, c) for c in _judge_columns(view, who, known, mine, findings)}
                _fill(view, who, known, mine, cells)
            _judge_reads(view, who, world, known, mine, findings)
    return covered


def _reads(view: Relation, who: Principal, known: Known, token: str | None) -> dict[str, Ask]:
    chosen = columns(known.readable[view.name, who.role] or [view.columns[0].name])
    first = {"select": chosen, "limit": "100"}
    found = {
        "GET": Ask("GET", view.name, token, first, prefer("count=exact")),
        "HEAD": Ask("HEAD", view.name, token, first, prefer("count=exact")),
        "everything": Ask("GET", view.name, token, {"limit": "1"}),
        "plan": Ask("GET", view.name, token, {"limit": "1"}, {"Accept": REFUSED_MEDIA}),
        "estimated": Ask("GET", view.name, token, {"limit": "1"}, prefer("count=estimated")),
    }
    column = key(view)
    if column and view.name in known.other:
        hidden = known.other[view.name] if who.org_id else known.own[view.name]
        found["filter other"] = Ask(
            "GET", view.name, token, {column: f"eq.{hidden[column]}", "limit": "100"}, prefer("count=exact")
        )
        if view.has("id"):
            found["id other"] = Ask("GET", view.name, token, {"id": f"eq.{hidden['id']}"}, prefer("count=exact"))
            found["or other"] = Ask(
                "GET", view.name, token, {"or": f"(id.eq.{hidden['id']},{column}.eq.{hidden[column]})"}
            )
    for media in MEDIA if who.name in ONE_OF_EACH_ROLE else ():
        found[media] = Ask("GET", view.name, token, {"limit": "1"}, {"Accept": media})
    return found


def _writes(view: Relation, who: Principal, world: World, known: Known, token: str | None) -> dict[str, Ask]:
    own, other = known.own.get(view.name, {}), known.other.get(view.name)
    insertable = known.writable[view.name, who.role, "insert"]
    updatable = known.writable[view.name, who.role, "update"]
    column = key(view)
    copied = [c for c in (insertable or [view.columns[0].name]) if c in own]
    # Not a code if there is anything else: all rows get the same value, which would not be refused for a right.
    plain = sorted((c for c in updatable if c not in ("version", "id", "path", "org_id")), key=CODES.__contains__)
    changed = next(iter(plain), view.columns[0].name)
    rollback = prefer(ROLLBACK, "return=minimal", "count=exact")
    mine = {column: f"eq.{own.get(column)}"} if column else {view.columns[0].name: "not.is.null"}
    found = {
        "POST": Ask("POST", view.name, token, {}, rollback, {c: own[c] for c in copied}),
        "PATCH": Ask("PATCH", view.name, token, mine, rollback, {changed: own.get(changed)}),
        "DELETE": Ask("DELETE", view.name, token, mine, rollback),
        "PUT": Ask("PUT", view.name, token, {"id": f"eq.{own.get('id')}"} if view.has("id") else mine, rollback, own),
    }
    if other and column:
        theirs = {column: f"eq.{other[column]}"}
        body = {c: other[c] for c in copied} | {column: other[column]}
        merge = prefer(ROLLBACK, "resolution=merge-duplicates", "return=minimal")
        found |= {
            "POST other": Ask("POST", view.name, token, {}, rollback, body),
            "upsert other": Ask("POST", view.name, token, {}, merge, body),
            "PATCH other": Ask("PATCH", view.name, token, theirs, rollback, {changed: other.get(changed)}),
            "PATCH all": Ask("PATCH", view.name, token, {column: "not.is.null"}, rollback, {changed: own.get(changed)}),
            "DELETE other": Ask("DELETE", view.name, token, theirs, rollback),
        }
        if view.has("id"):
            found["PUT other"] = Ask("PUT", view.name, token, {"id": f"eq.{other['id']}"}, rollback, other)
    return found


def _columns(
    view: Relation, who: Principal, known: Known, token: str | None, sample: Sample, place: int
) -> dict[str, Ask]:
    readable = known.readable[view.name, who.role]
    found = {}
    turn = ONE_OF_EACH_ROLE.index(who.name)
    for number, c in enumerate(view.columns):
        if not sample.takes(place, number, turn):
            continue
        is_json = c.type in ("json", "jsonb", "point")
        everything = {"select": c.name, c.name: "not.is.null", "limit": "1"} | ({} if is_json else {"order": c.name})
        if c.name in readable or not readable:
            found[f"read {c.name}"] = Ask("GET", view.name, token, everything)
        else:  # hidden: each way by itself
            found[f"read {c.name}"] = Ask("GET", view.name, token, {"select": c.name, "limit": "1"})
            found[f"filter {c.name}"] = Ask("GET", view.name, token, {"select": readable[0], c.name: "not.is.null"})
            found[f"order {c.name}"] = Ask("GET", view.name, token, {"select": readable[0], "order": c.name})
        column = key(view)
        nobody = {column: "eq.00000000-0000-0000-0000-000000000000"} if column else {view.columns[0].name: "is.null"}
        value = known.own.get(view.name, {}).get(c.name)
        found[f"write {c.name}"] = Ask("PATCH", view.name, token, nobody, prefer(ROLLBACK), {c.name: value})
    return found


def _judge_reads(
    view: Relation, who: Principal, world: World, known: Known, answers: dict[str, Answer], findings: Findings
) -> None:
    expected = known.count(view.name, who.name)
    listed = answers["GET"]
    if expected is None:
        for right, answer in answers.items():
            if answer.status < 400:
                findings.add(
                    "a right that SQL refuses is given over HTTP", view.full, f"{who.name}: {right} {answer.word}"
                )
    elif listed.status not in (200, 206) or listed.total != expected or len(listed.rows) != min(expected, 100):
        findings.add(
            "HTTP and SQL show different rows",
            view.full,
            f"{who.name}: {listed.word} with {listed.total} rows, SQL {expected}",
        )
    elif "HEAD" in answers and (answers["HEAD"].total != expected or answers["HEAD"].body):
        findings.add("HEAD differs from GET", view.full, who.name)
    for right, status in (("plan", 406), ("estimated", 400)):
        if right in answers and answers[right].status != status:
            case = f"{who.name}: {right}: {answers[right].word}"
            findings.add("plans and estimates are refused", view.full, case)
    if who.role == "superadmin":
        return
    column = key(view)
    for right in ("GET", "everything", "filter other", "id other", "or other"):
        for row in answers[right].rows if right in answers else []:
            _judge_row(view, who, world, row, column, right, findings)


def _judge_row(
    view: Relation,
    who: Principal,
    world: World,
    row: dict[str, Any],
    column: str | None,
    right: str,
    findings: Findings,
) -> None:
    is_own = who.user_id is not None and row.get("user_id") == who.user_id  # what happened to oneself, wherever
    if column in row and row[column] is not None and row[column] != who.org_id and not is_own:
        findings.add("rows of another organisation", view.full, f"{who.name}: {right}")
    if who.partner_id:
        partner = row.get("id") if view.name in ("own_partner", "partners") else row.get("partner_id")
        if partner is not None and partner != who.partner_id:
            findings.add("rows of another partner", view.full, f"{who.name}: {right}")
        if row.get("user_id") is not None and row["user_id"] != who.user_id:
            findings.add("another user's rows for an EXTERNAL user", view.full, f"{who.name}: {right}")


def _judge_writes(view: Relation, who: Principal, world: World, answers: dict[str, Answer], findings: Findings) -> None:
    for right, answer in answers.items():
        verb, _, whose = right.partition(" ")
        if answer.status >= 400 or answer.total == 0 or verb not in ("POST", "upsert", "PATCH", "DELETE", "PUT"):
            continue
        if whose == "other":
            case = f"{who.name}: {right}: {answer.word} {answer.content_range}"
            findings.add("rows of another organisation are written", view.full, case)
        if who.name in ("anonymous", "superadmin"):
            findings.add("writes without an organisation", view.full, f"{who.name}: {right}: {answer.word}")
        if whose == "all" and answer.total != answers[verb].total:
            findings.add("rows of another organisation are written", view.full, f"{who.name}: {right}: {answer.total}")


def _judge_columns(
    view: Relation, who: Principal, known: Known, answers: dict[str, Answer], findings: Findings
) -> list[str]:
    """Compare with SQL, column by column; returns the columns that this principal could read."""
    readable = known.readable[view.name, who.role]
    read = list(readable) if answers["GET"].status in (200, 206) else []  # a list names all of them
    for c in view.columns:
        if f"read {c.name}" not in answers:
            continue
        answer = answers[f"read {c.name}"]
        if (answer.status < 400) != (c.name in readable) or (answer.status >= 400 and answer.status not in FORBIDDEN):
            findings.add("HTTP and SQL differ on a column", f"{view.full}.{c.name}", f"{who.name} reads: {answer.word}")
        for way in ("filter", "order"):
            if f"{way} {c.name}" in answers and answers[f"{way} {c.name}"].status not in FORBIDDEN:
                findings.add("a hidden column can be asked about", f"{view.full}.{c.name}", f"{who.name}: {way}")
        answer = answers[f"write {c.name}"]
        if (answer.status < 400) != (c.name in known.writable[view.name, who.role, "update"]):
            findings.add(
                "HTTP and SQL differ on a column", f"{view.full}.{c.name}", f"{who.name} writes: {answer.word}"
            )
    return read


def _fill(view: Relation, who: Principal, known: Known, answers: dict[str, Answer], cells: Cells) -> None:
    put(cells, view.name, "rows", who.name, known.scopes[view.name, who.name])
    put(
        cells,
        view.name,
        "columns read",
        who.name,
        _short(known.readable[view.name, who.role], [c.name for c in view.columns]),
    )
    for command in ("insert", "update"):
        put(
            cells,
            view.name,
            WRITTEN[command],
            who.name,
            _short(known.writable[view.name, who.role, command], [c.name for c in view.columns if c.writable]),
        )
    for right in (
        "GET",
        "POST",
        "PATCH",
        "PUT",
        "DELETE",
        "POST other",
        "PATCH other",
        "DELETE other",
        "PUT other",
        "upsert other",
        *MEDIA,
    ):
        answer = answers.get(right)
        if answer is None:
            continue
        value = answer.word
        if answer.status < 300 and right.split()[0] in ("PATCH", "DELETE") and answer.total == 0:
            value = "no row"
        put(cells, view.name, right, who.name, value)


def _short(chosen: list[str], names: list[str]) -> str:
    missing = [n for n in names if n not in chosen]
    if not chosen:
        return "-"
    if not missing:
        return "*"
    return f"* but {' '.join(missing)}" if len(missing) < len(chosen) else " ".join(chosen)
