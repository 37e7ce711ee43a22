"""The access proof on the test stack, and that each of its parts can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from conftest import cloned, erpgres
from erpgres.prove import edges, hunt, matrix, mutants, reach, realtime, rights, stage, surface, views
from erpgres.prove.findings import Findings
from erpgres.prove.sample import Sample
from erpgres.prove.web import Web
from erpgres.prove.world import World, make
from erpgres.settings import ROOT
from erpgres.stack import processes
from erpgres.stack.state import State

EVERY = 20
PLACE = "tools/erpgres/prove/world"


@pytest.fixture(scope="module")
def proof(stack: State, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `erpgres prove --format json` says, with a twentieth of what comes in large numbers, and its report.

    Another twentieth at each run; `--seed`, which stands in the captured output, asks for the same again.
    """
    folder = tmp_path_factory.mktemp("proof")
    with cloned(stack) as template:
        done = erpgres(
            "prove", "--format", "json", "--every", str(EVERY), "--template", template, "--report", str(folder),
            "--state", str(stack.path),
        )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    print(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "folder": folder, "returncode": done.returncode}


@pytest.mark.timeout(600)
def test_the_proof_holds(proof: dict[str, Any]) -> None:
    seed = f"--every {EVERY} --seed {proof['seed']}"
    assert proof["findings"] == [], seed
    assert proof["differences"] == [], "if this is meant: `erpgres prove --update`"
    assert proof["schema_difference"] == ""
    assert (proof["holds"], proof["returncode"]) == (True, 0)


def test_it_covers_everything(proof: dict[str, Any]) -> None:
    for covered, there in proof["coverage"].values():
        assert covered == there > 30
    assert proof["not_covered"] == []


def test_it_finds_every_mutation(proof: dict[str, Any]) -> None:
    assert proof["mutations"]["survived"] == [], proof["seed"]
    assert proof["mutations"]["found"] == proof["mutations"]["total"] > 300
    assert {
        "policy dropped",
        "policy made true: using",
        "policy made true: check",
        "policy without its check",
        "row-level security not forced",
        "view without security_invoker",
        "grant on a partition",
        "definer function without search_path",
        "extra grant on a table",
        "extra grant on a column",
        "extra grant on a function",
        "extra grant on a schema",
        "extra role membership",
    } <= proof["mutations"]["by_kind"].keys()


def test_the_report_says_it_all(proof: dict[str, Any]) -> None:
    folder: Path = proof["folder"]
    text, page = ((folder / name).read_text() for name in ("proof.txt", "proof.html"))
    assert "The proof holds" in text
    assert "not covered  nothing" in text
    assert "Not covered: nothing." in page
    for name in (
        "views.csv",
        "functions.csv",
        "tokens.csv",
        "policies.csv",
        "rights.csv",
        "wms_documents",
        "tampered_role",
    ):
        assert name in page
    assert "http" not in page.split("</style>")[0]  # needs nothing from elsewhere


@pytest.mark.parametrize("seed", [0, 7, 12])
def test_a_short_proof_leaves_out_no_kind_and_no_domain(db: Any, seed: int) -> None:
    everything = mutants.everything(surface.read(db))
    some = mutants.sample(Sample(EVERY, seed), everything)
    places = {(m.kind, m.object.removeprefix("schema ").split(".")[0]) for m in everything}
    assert {(m.kind, m.object.removeprefix("schema ").split(".")[0]) for m in some} == places
    assert len(everything) / EVERY < len(some) + 1 < len(everything) / EVERY + len(places) + 1


def test_all_samples_together_are_everything() -> None:
    things = [*range(50)]
    assert Sample().of(things) == things
    assert sorted(n for seed in range(EVERY) for n in Sample(EVERY, seed).of(things)) == things
    # of a few there is one each time, and each has its turn
    assert {n for seed in range(EVERY) for n in Sample(EVERY, seed).of([1, 2, 3])} == {1, 2, 3}
    assert all(len(Sample(EVERY, seed).of([1, 2, 3])) == 1 for seed in range(EVERY))


def test_a_sample_is_not_written_as_the_matrix() -> None:
    done = erpgres("prove", "--update", "--every", "2")
    assert (done.returncode, "without --every" in done.stderr) == (2, True)


def test_the_matrix_reads_back_as_it_was_written() -> None:
    committed = matrix.read()
    assert {"views.csv", "functions.csv", "tokens.csv", "policies.csv", "rights.csv"} == committed.keys()
    for name, cells in committed.items():
        assert matrix.parse(matrix.text(cells)) == cells, name
    assert committed["views.csv"]["items", "rows"]["admin"] == "own organization"
    assert committed["views.csv"]["wms_documents", "rows"]["partner"] == "own partner"
    assert committed["rights.csv"]["core.signing_key", "select"]["member"] == "-"


def test_a_changed_cell_is_a_difference() -> None:
    committed = matrix.read()
    # What a sample did not ask is none; an object that is gone, or another answer, is.
    asked = {"views.csv": {("items", "rows"): {"partner": "every row"}}}
    sampled = matrix.compare({"views.csv": committed["views.csv"]}, asked, some=("views.csv",))
    assert [(d.right, d.who) for d in sampled if d.object == "items"] == [("rows", "partner")]
    assert any(d.object == "partners" and d.found is None for d in sampled)
    changed = {name: dict(cells) for name, cells in committed.items()}
    changed["views.csv"]["items", "rows"] = {**committed["views.csv"]["items", "rows"], "partner": "every row"}
    del changed["rights.csv"]["core.item", "select"]
    found = matrix.compare(committed, changed)
    assert {(d.file, d.object, d.right) for d in found} == {
        ("views.csv", "items", "rows"),
        ("rights.csv", "core.item", "select"),
    }


# ---- the parts, in a clone -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(stack: State) -> Iterator[tuple[psycopg.Connection[Any], World, surface.Surface]]:
    """A clone with the proof's world, as its superuser, for all tests here."""
    with cloned(stack) as name, stage.superuser(stack.dsn("postgres", name)) as connection:
        connection.execute(stage.HELPERS)
        yield connection, make(connection), surface.read(connection)


@pytest.fixture
def played(shared: Any) -> Iterator[tuple[psycopg.Connection[Any], World, surface.Surface]]:
    """The same; what the test does there is taken back."""
    with shared[0].transaction(force_rollback=True):
        yield shared


def test_a_view_without_rows_names_the_place_where_they_are_made(played: Any) -> None:
    connection, world, _ = played
    connection.execute("create table wms.nothing (org_id uuid not null, id uuid)")
    connection.execute("alter table wms.nothing enable row level security")
    connection.execute("create view api.wms_nothings with (security_invoker = true) as select * from wms.nothing")
    what = surface.read(connection)
    what.views = [view for view in what.views if view.name in ("wms_nothings", "items", "wms_documents")]
    findings = Findings()
    known = views.learn(connection, what, world)
    views.nothing_proved(connection, what, world, known, findings)
    found = [f for f in findings if f.where == "api.wms_nothings"]
    assert found
    assert {f.rule for f in found} == {"nothing proved"}
    assert all(f"{PLACE}/wms.py" in f.what for f in found)
    assert {f.where for f in findings} == {"api.wms_nothings", "wms.nothing"}


def test_a_policy_for_too_many_is_seen_with_the_rows_it_gives(played: Any) -> None:
    connection, world, what = played
    probe = reach.probes(connection, what)["core.item"]
    admin = next(p for p in world.callers if p.name == "admin")
    reach.open_up(connection, world)
    reach.note(connection, {"core.item": probe})
    with connection.transaction(force_rollback=True):
        before = reach.ask(connection, admin, probe)
        connection.execute("create policy member_leak on core.item for select to member using (true)")
        after = reach.ask(connection, admin, probe)
        scopes = reach.Scopes(connection, world)
        assert scopes.name(probe.relation, probe.query, admin, before.select) == "own organization"
        assert scopes.name(probe.relation, probe.query, admin, after.select) == "every row"


def test_a_mutation_that_nothing_asks_about_survives(played: Any) -> None:
    """The hunt does not count by itself: what no question touches is reported as unnoticed."""
    connection, world, what = played
    reach.open_up(connection, world)
    probes = reach.probes(connection, what)
    everybody = [*world.callers, *(p for p in world.sessions if p.role != "analyst")]
    asked = {"core.item": probes["core.item"]}
    baseline = hunt.reaches(connection, everybody, asked)
    unseen = mutants.Mutant("a comment", mutants.POLICIES, "core.item", "comment on table core.item is 'x'", "member")
    seen = mutants.Mutant(
        "policy dropped", mutants.POLICIES, "core.item", "drop policy member_select on core.item", "member"
    )
    done = hunt.policies(connection, world, [unseen, seen], asked, baseline)
    assert done.survived == [unseen]
    assert done.counted == (1, 2)


def test_rights_are_asked_by_using_them(played: Any) -> None:
    connection, _, what = played
    item = next(t for t in what.tables if t.full == "core.item")
    with connection.transaction(force_rollback=True):
        assert rights.relation(connection, "partner", item) == {
            "select": "-",
            "insert": "-",
            "update": "-",
            "delete": "-",
            "truncate": "-",
        }
        connection.execute("grant select (sku), truncate on core.item to partner")
        assert rights.relation(connection, "partner", item)["select"] == "sku"
        assert rights.relation(connection, "partner", item)["truncate"] == "yes"
        connection.execute("grant select on core.item to relay; revoke usage on schema core from relay")
        assert rights.relation(connection, "relay", item)["select"].startswith("- (granted without effect")


def test_the_realtime_feed_is_asked_too(shared: Any) -> None:
    connection, world, _ = shared

    def rules() -> set[str]:
        findings = Findings()
        realtime.ask(connection, world, {}, findings)
        return {f.rule for f in findings}

    def source(function: str) -> str:
        row = connection.execute("select pg_get_functiondef(%s::regproc)", [function]).fetchone()
        assert row is not None
        return str(row[0])

    assert rules() == set()
    # What the subscriber before left in the session decides whose events are read.
    feed = source("events.read_feed_as")
    left = feed.replace("set_config('erpgres.org_id', read_feed_as.claims ->> 'org_id', true)", "null")
    assert left != feed
    connection.execute(left)
    before = source("events.admit_subscribers")
    connection.execute(before.replace("set_config('erpgres.org_id', '', true)", "null"))
    assert "the feed shows what the view shows" in rules()
    connection.execute(feed)
    connection.execute(before)
    assert rules() == set()
    admission = source("core.pre_request")
    connection.execute(
        "create or replace function core.pre_request() returns void language plpgsql as $$ begin return; end $$"
    )
    assert "a bad token is refused" in rules()
    connection.execute(admission)


@pytest.mark.drill
def test_the_questions_over_http_notice_what_is_broken(stack: State) -> None:
    """One mutation of each kind, committed in a database that a gateway shows; mended again before the next."""
    with stage.scratch(stack, lambda _: None) as name:
        with stage.superuser(stack.dsn("postgres", name)) as connection:
            world, what = make(connection), surface.read(connection)
        what.views = [v for v in what.views if v.name in ("items", "wms_documents")]
        with (
            stage.serve(stack, name, lambda _: None) as own,
            stage.superuser(stack.dsn("postgres", name)) as connection,
            Web(own.port) as web,
        ):
            tokens = {p.name: p.token(own.secret("jwt.key")) for p in [*world.callers, *world.strangers]}
            known = views.learn(connection, what, world)

            def rules() -> set[str]:
                findings = Findings()
                views.ask(web, what, world, known, lambda who: tokens[who.name], {}, findings)
                return {f.rule for f in findings}

            def reached() -> set[tuple[str, str]]:
                findings = Findings()
                edges.call_with_foreign_ids(web, what, world, known, lambda who: tokens[who.name], connection, findings)
                return {(f.rule, f.where) for f in findings}

            assert rules() == set()
            for broken, mended, rule in (
                (
                    "create policy member_leak on core.item for select to member using (true)",
                    "drop policy member_leak on core.item",
                    "rows of another organisation",
                ),
                (
                    "create policy partner_leak on wms.document for select to partner "
                    "using (org_id = (select core.org_id()))",
                    "drop policy partner_leak on wms.document",
                    "rows of another partner",
                ),
                (
                    "create policy member_leak on core.item for update to member using (true) with check (true); "
                    "create policy member_see on core.item for select to member using (true)",
                    "drop policy member_leak on core.item; drop policy member_see on core.item",
                    "rows of another organisation are written",
                ),
                (
                    "grant select on api.items, core.item to partner",
                    "revoke select on api.items, core.item from partner",
                    "a right that SQL refuses is given over HTTP",
                ),
                (
                    "revoke update (name) on api.items from member",
                    "grant update (name) on api.items to member",
                    "HTTP and SQL differ on a column",
                ),
                (
                    "alter table core.item disable row level security",
                    "alter table core.item enable row level security",
                    "rows of another organisation",
                ),
            ):
                connection.execute(broken)
                assert rule in rules(), broken
                connection.execute(mended)
            assert rules() == set()

            # A function that nobody binds, and that says nothing of what it did.
            what.functions = [f for f in what.functions if f.name == "webhook_disable"]
            assert reached() == set()
            connection.execute(
                "create or replace function api.webhook_disable(id uuid) returns jsonb language sql security definer "
                "set search_path = pg_catalog, pg_temp as "
                "$$ update core.item as i set name = 'x' where i.id = webhook_disable.id; select null::jsonb $$; "
                "alter function api.webhook_disable(uuid) owner to postgres"
            )
            assert reached() == {
                ("a function changes another organisation", "core.item"),
                ("a function changes another organisation", "core.searchable"),  # its name can be looked for
                ("a function changes another organisation", "events.event"),
            }

            # A function that looks for words in every organisation.
            what.functions = [f for f in surface.read(connection).functions if f.name == "wms_scan"]

            def found_by_words() -> set[tuple[str, str]]:
                findings = Findings()
                edges.read_with_shared_texts(web, what, world, lambda who: tokens[who.name], connection, findings)
                return {(f.rule, f.where) for f in findings}

            assert found_by_words() == set()
            connection.execute(
                "create or replace function api.wms_scan(barcode text) returns setof api.wms_scanned language sql "
                "stable security definer set search_path = pg_catalog, pg_temp as "
                "$$ select 'item', i.id, i.sku, null, null::jsonb, null::jsonb from core.item as i "
                "where i.sku = barcode $$; alter function api.wms_scan(text) owner to postgres"
            )
            assert found_by_words() == {("a function reaches another organisation", "api.wms_scan")}


@pytest.mark.timeout(120)
def test_the_stack_of_a_killed_proof_ends_by_itself(stack: State, clone: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    script = (
        "import sys; from pathlib import Path; from erpgres.prove import stage; from erpgres.stack.state import State\n"
        "with stage.serve(State(Path(sys.argv[1])), sys.argv[2], lambda _: None) as own:\n"
        "    print(own.path, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(stack.path), str(database)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as proof:
        assert proof.stdout is not None
        own = State(Path(proof.stdout.readline().strip()))
        try:
            running = processes.find(own)
            assert len(running) > 2  # the supervisor, PostgREST, the gateway
        finally:
            proof.kill()
    _, left = psutil.wait_procs(running, timeout=30)
    shutil.rmtree(own.path.parent)
    assert left == []
