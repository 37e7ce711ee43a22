"""The proof from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg

from erpgres.prove import edges, hunt, matrix, mutants, reach, realtime, rights, stage, surface, views, world
from erpgres.prove.findings import Cells, Findings
from erpgres.prove.principals import Principal, bad_tokens
from erpgres.prove.sample import EVERYTHING, Sample
from erpgres.prove.surface import Surface
from erpgres.prove.web import Web
from erpgres.prove.world import World
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]


# Tables that are read without a token, and why that gives nothing away.
OPEN_TO_ANYBODY = {"core.error": "the wording of errors, for whoever is refused"}


@dataclass
class Proof:
    """What was asked and what came out; the report is written from this."""

    surface: Surface
    people: list[Principal]
    tokens: list[tuple[str, str]]
    found: dict[str, Cells] = field(default_factory=dict)
    differences: list[matrix.Difference] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    hunt: hunt.Hunt = field(default_factory=hunt.Hunt)
    schema_difference: str = ""
    requests: int = 0
    questions: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    columns: tuple[int, int] = (0, 0)
    views: tuple[int, int] = (0, 0)
    functions: tuple[int, int] = (0, 0)
    uncovered: list[str] = field(default_factory=list)
    full: bool = False
    sample: Sample = EVERYTHING

    @property
    def holds(self) -> bool:
        """Whether the proof is complete: nothing wrong, nothing uncovered, every mutation found."""
        return not (
            self.differences or len(self.findings) or self.hunt.survived or self.schema_difference or self.uncovered
        )


def prove(
    state: State,
    progress: Progress,
    *,
    full: bool = False,
    sample: Sample = EVERYTHING,
    update: bool = False,
    live: bool = True,
    template: str | None = None,
) -> Proof:
    """Prove who may do what on a running stack. `update` writes the matrix instead of comparing with it.

    `sample`: try one in so many of what comes in large numbers: mutants of each kind and schema, ways to ask a view,
    columns as each role, foreign keys, ids of another organisation, places for a bad token. `live`: also compare the
    running database's schema with the proved one. `template`: a migrated database without rows to begin with.
    Raises CannotRun without a superuser.
    """
    begun = time.monotonic()
    if not sample.is_all:
        progress(f"one in {sample.every}, from {sample.seed} on (--every {sample.every} --seed {sample.seed})")
    with stage.scratch(state, progress, template) as name:
        with stage.superuser(state.dsn("postgres", name)) as connection:
            progress("filling two organisations")
            people = world.make(connection)
            what = surface.read(connection)
        proof = Proof(what, [*people.callers, *people.strangers, *people.sessions], [], full=full, sample=sample)
        with stage.analysts(state, name, [people.ours.analyst, people.theirs.analyst]):
            copies = [stage.clone(state, name, number) for number in (1, 2)]
            proof.seconds["stage"] = time.monotonic() - begun
            with stage.serve(state, name, progress) as own, ThreadPoolExecutor(2) as pool:
                hunted = pool.submit(_hunt, state, copies, what, people, proof, progress)
                asked = pool.submit(_ask, own, state.dsn("postgres", name), what, people, proof, progress)
                try:
                    asked.result()
                    hunted.result()
                except BaseException:
                    stage.cut_off(state, own, name)  # else the other half would be waited for
                    raise
            if live:
                progress("comparing the running schema with the proved one")
                proof.schema_difference = stage.differences(state, name)
    if update:
        for changed in matrix.write(proof.found):
            progress(f"changed {matrix.FOLDER / changed}")
    else:
        some = () if sample.is_all else ("views.csv", "functions.csv")
        proof.differences = matrix.compare(matrix.read(), proof.found, some=some)
    proof.seconds["all"] = time.monotonic() - begun
    return proof


def _hunt(state: State, copies: list[str], what: Surface, people: World, proof: Proof, progress: Progress) -> None:
    """The SQL side: the matrix of rights and of policies, then the mutants."""
    begun = time.monotonic()
    made = mutants.sample(proof.sample, mutants.everything(what, full=proof.full))
    progress(f"{len(made)} mutants")
    everybody = [*people.callers, *people.sessions]
    with stage.superuser(state.dsn("postgres", copies[0])) as connection:
        reach.open_up(connection, people)
        probes = reach.probes(connection, what)
        baseline = hunt.reaches(connection, everybody, probes)
        proof.found["policies.csv"] = _policy_cells(connection, what, people, probes, baseline)
        proof.questions += len(baseline) * 4
        _judge_policies(what, people, probes, baseline, proof.findings)
        proof.seconds["policies"] = time.monotonic() - begun
        proof.hunt.join(
            hunt.policies(connection, people, [m for m in made if m.where == mutants.POLICIES], probes, baseline)
        )
    with stage.superuser(state.dsn("postgres", copies[1])) as connection:
        with connection.transaction(force_rollback=True):
            cells = rights.matrix(connection, what, proof.sample)
            cells |= rights.roles(connection)
        for function in what.functions:
            cells[function.full, "runs as"] = {"everybody": rights.runs_as(connection, function)}
        proof.found["rights.csv"] = {k: v for k, v in cells.items() if not _is_partition(what, k[0])}
        proof.questions += sum(len(r.columns) * 3 + 2 for r in what.relations) * len(surface.ROLES)
        _judge_rights(what, cells, proof.findings)
        proof.hunt.join(hunt.Rights(connection, what).hunt([m for m in made if m.where == mutants.RIGHTS]))
    proof.seconds["mutations"] = time.monotonic() - begun
    found, total = proof.hunt.counted
    progress(f"{found} of {total} mutants found")


def _ask(own: State, dsn: str, what: Surface, people: World, proof: Proof, progress: Progress) -> None:
    """The HTTP side."""
    begun = time.monotonic()
    key = own.secret("jwt.key")
    signed = {p.name: p.token(key) for p in [*people.callers, *people.strangers]}

    def token(who: Principal) -> str | None:
        return signed[who.name]

    findings = proof.findings
    cells: Cells = {}
    calls: Cells = {}
    tokens: Cells = {}
    with stage.superuser(dsn) as connection, Web(own.port) as web:
        known = views.learn(connection, what, people, proof.sample)
        views.nothing_proved(connection, what, people, known, findings)
        covered = views.ask(web, what, people, known, token, cells, findings, sample=proof.sample)
        proof.embedded = edges.embed(web, what, people, known, token, findings, full=proof.full, sample=proof.sample)
        called = edges.call(web, what, people, token, calls, proof.sample)
        bad = bad_tokens(key, people.good, people.mismatched)
        proof.tokens = [(t.name, t.says) for t in bad]
        edges.refuse(web, what, bad, tokens, findings, full=proof.full, sample=proof.sample)
        realtime.ask(connection, people, tokens, findings)
        edges.describe(web, what, people, known, token, findings)
        edges.read_with_shared_texts(web, what, people, token, connection, findings)
        edges.call_with_foreign_ids(
            web, what, people, known, token, connection, findings, full=proof.full, sample=proof.sample
        )
        for asked, answer in web.failed:
            if answer.status != 503:
                findings.add("no answer is a server error", asked.path, f"{asked.method}: {answer.word}")
        proof.requests = web.answers
    for pair in (("admin", "other_admin"), ("partner", "other_partner")):
        for view in what.views:
            mine, theirs = (known.scopes[view.name, name] for name in pair)
            if mine != theirs:
                findings.add("like users see alike", view.full, f"{pair[0]}: {mine}; {pair[1]}: {theirs}")
    proof.found |= {"views.csv": cells, "functions.csv": calls, "tokens.csv": tokens}
    every = {(v.name, c.name) for v in what.views for c in v.columns}
    proof.columns = (len(covered), len(every))
    proof.uncovered = sorted(f"column {v}.{c}" for v, c in every - covered)
    proof.uncovered += sorted(f"function {f.name}" for f in what.api_functions if f.name not in called)
    proof.views = (len({v for v, _ in covered}), len(what.views))
    proof.functions = (len(called), len(what.api_functions))
    proof.seconds["http"] = time.monotonic() - begun
    progress(f"{proof.requests} requests in {proof.seconds['http']:.0f} s")


def _is_partition(what: Surface, name: str) -> bool:
    return any(t.kind == "partition" and t.full == name for t in what.tables)


def _policy_cells(
    connection: Connection, what: Surface, people: World, probes: dict[str, reach.Probe], baseline: hunt.Baseline
) -> Cells:
    """Whose rows each session reaches: reads as a scope, writes in words. Neither bystanders nor partitions."""
    scopes = reach.Scopes(connection, people)
    cells: Cells = {}
    asked = [p for p in [*people.callers, *people.sessions] if not p.name.startswith("bystander:")]
    for table in what.tables:
        if table.kind != "table" or not table.has_rls:
            continue
        probe = probes[table.full]
        for who in asked:
            got = baseline[table.full, who.name]
            for right, value in (
                ("read", scopes.name(table, probe.query, who, got.select)),
                ("update", _word(got.update)),
                ("delete", _word(got.delete)),
                ("insert", f"{sum(not a.startswith('42501') for a in got.insert)} of {len(got.insert)} samples"),
                (
                    "change to",
                    f"{sum(not a.startswith('42501') for a in got.move)} of {len(got.move)} samples"
                    if got.update != "ok 0"
                    else "-",
                ),
            ):
                cells.setdefault((table.full, right), {})[who.name] = value
    return cells


def _word(answer: str) -> str:
    return {"ok 0": "no row", "42501 policy": "refused"}.get(answer, "rows" if answer.startswith("ok") else answer)


def _judge_policies(
    what: Surface, people: World, probes: dict[str, reach.Probe], baseline: hunt.Baseline, findings: Findings
) -> None:
    """What no matrix may bless: bystanders and direct access to partitions reach nothing."""
    for table in what.tables:
        if table.kind == "view" or not table.has_rls:
            if table.kind == "partition":
                findings.add("a partition has row-level security", table.full, "it has none")
            continue
        for who in [*people.callers, *people.sessions]:
            got = baseline.get((table.full, who.name))
            if got is None:
                continue
            nothing = (
                got.select.startswith("0 ")
                and got.update in ("ok 0",)
                and got.delete == "ok 0"
                and all(a.startswith("42501") for a in got.insert)
            )
            if (who.name.startswith("bystander:") or table.kind == "partition") and not nothing:
                findings.add("who has no policy reaches nothing", table.full, f"{who.name}: {got}")


def _judge_rights(what: Surface, cells: Cells, findings: Findings) -> None:
    """What no matrix may bless in grants, whatever is committed."""
    for relation in what.relations:
        for (where, right), values in cells.items():
            if where != relation.full:
                continue
            for role, value in values.items():
                if value == "-":
                    continue
                if right in ("truncate", "other"):
                    findings.add("nobody truncates or passes rights on", where, f"{role}: {right} {value}")
                if relation.kind == "partition":
                    findings.add("a partition has no grants", where, f"{role}: {right} {value}")
                if role in ("anon", "authenticator") and where not in OPEN_TO_ANYBODY:
                    findings.add("without a token there are no rows", where, f"{role}: {right} {value}")
                if role == "analyst" and right != "select":
                    findings.add("an analyst changes nothing", where, f"{right} {value}")
    for function in what.functions:
        value = cells[function.full, "runs as"]["everybody"]
        if function.is_definer and value != "definer owner; search_path=pg_catalog, pg_temp":
            findings.add("a definer function has its search_path", function.full, value)
    for (where, right), values in cells.items():
        for role, value in values.items():
            if where.startswith("schema ") and "create" in value and role != "owner":
                findings.add("nobody makes things in our schemas", where, f"{role}: {value}")
            if (role, value) == ("owner", "log_min_messages"):
                continue  # so that answers that are given again do not stand in the log (sql/cluster)
            if where == "itself" and right in ("attributes", "administers", "superuser's settings") and value != "-":
                findings.add("roles are plain", role, f"{right}: {value}")
