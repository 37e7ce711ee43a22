"""Negative controls: break the schema in one way, ask again what that touches, and see whether the answer differs.

Each mutant is made in a transaction of a clone and rolled back. Only what it can touch is asked again, and asking stops
at the first difference. A mutant that changes no statement's rights (it grants what is there) is left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg

from erpgres.prove import reach, rights
from erpgres.prove.mutants import Mutant
from erpgres.prove.principals import BACK, Principal
from erpgres.prove.surface import ROLES, SCHEMAS, Function, Relation, Surface
from erpgres.prove.world import World

Connection = psycopg.Connection[Any]


@dataclass
class Hunt:
    """What became of the mutants: by kind (found, total); those that survived; those that changed nothing."""

    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    total: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    survived: list[Mutant] = field(default_factory=list)
    void: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, mutant: Mutant, found: bool | None) -> None:
        """Count one; None: it changed nothing that was not so already."""
        if found is None:
            self.void[mutant.kind] += 1
            return
        self.total[mutant.kind] += 1
        self.found[mutant.kind] += found
        if not found:
            self.survived.append(mutant)

    def join(self, other: Hunt) -> None:
        """Take in what another hunt found."""
        for mine, theirs in ((self.found, other.found), (self.total, other.total), (self.void, other.void)):
            for kind, count in theirs.items():
                mine[kind] += count
        self.survived += other.survived

    @property
    def counted(self) -> tuple[int, int]:
        """Found and total."""
        return sum(self.found.values()), sum(self.total.values())


# Nobody has a policy on a partition: one session of each kind is enough to show that.
OF_PARTITIONS = ("admin", "partner", "superadmin", "analyst", "migrator", "owner:admin", "bystander:admin")


def patiently[T](attempt: Callable[[], T]) -> T:
    """Try again when somebody else on the cluster changed the same role at the same moment."""
    for _ in range(20):
        try:
            return attempt()
        except (psycopg.errors.InternalError_, psycopg.errors.DeadlockDetected) as error:
            if isinstance(error, psycopg.errors.InternalError_) and "concurrently" not in str(error):
                raise
    return attempt()


Baseline = dict[tuple[str, str], reach.Reach]


def reaches(connection: Connection, everybody: Iterable[Principal], probes: dict[str, reach.Probe]) -> Baseline:
    """Ask every table that has policies as everybody, its partitions as some: {(table, principal): reach}."""
    found: Baseline = {}
    reach.note(connection, probes)
    for who in everybody:
        with connection.transaction(force_rollback=True):
            connection.execute("set local session_replication_role = replica")
            got = reach.ask_all(connection, who, partitions=who.name in OF_PARTITIONS)
        found |= {(name, who.name): answer for name, answer in got.items()}
    return found


def policies(
    connection: Connection, world: World, mutants: Iterable[Mutant], probes: dict[str, reach.Probe], baseline: Baseline
) -> Hunt:
    """Hunt mutants of policies and of row-level security, in the clone where every right is granted."""
    everybody = [*world.callers, *world.sessions]
    hunt = Hunt()
    for mutant in mutants:
        probe = probes[mutant.object]
        # Who is most likely to notice comes first.
        aside = mutant.kind == "policy for everybody"
        likely = [p for p in everybody if (p.name.startswith("bystander:") if aside else p.role == mutant.role)]
        everyone = [*likely, *(p for p in everybody if p not in likely)]
        everyone = [p for p in everyone if (mutant.object, p.name) in baseline]
        with connection.transaction(force_rollback=True):
            connection.execute("set local session_replication_role = replica")
            connection.execute(mutant.statement)
            found = any(reach.ask(connection, who, probe) != baseline[mutant.object, who.name] for who in everyone)
        hunt.add(mutant, found or _is_seen_alone(connection, everybody, mutant, probe, list(probes.values())))
    return hunt


def _is_seen_alone(
    connection: Connection,
    everybody: list[Principal],
    mutant: Mutant,
    probe: reach.Probe,
    all_probes: list[reach.Probe],
) -> bool:
    """Ask again with the other tables open to bystanders: a policy for the wrong role may hide behind another's."""
    if mutant.kind != "policy for everybody":
        return False
    bystanders = [p for p in everybody if p.name.startswith("bystander:")]
    with connection.transaction(force_rollback=True):
        connection.execute("set local session_replication_role = replica")
        for other in all_probes:
            if other.relation.has_rls and other is not probe and other.relation.kind == "table":
                connection.execute(f"create policy prove_all on {other.relation.full} for select to anon using (true)")
        before = [reach.ask(connection, who, probe) for who in bystanders]
        connection.execute(mutant.statement)
        return before != [reach.ask(connection, who, probe) for who in bystanders]


class Rights:
    """Hunts mutants of rights, views, functions and roles, in the clone with the rights as they are."""

    def __init__(self, connection: Connection, surface: Surface) -> None:
        self.connection = connection
        self.relations: dict[str, Relation] = {r.full: r for r in surface.relations}
        self.functions: dict[str, Function] = {f.full: f for f in surface.functions}
        self.known: dict[tuple[str, str], Any] = {}

    def hunt(self, mutants: Iterable[Mutant]) -> Hunt:
        """Try the mutants one after the other."""
        hunt = Hunt()
        for mutant in mutants:
            hunt.add(mutant, patiently(partial(self._try, mutant)))
        return hunt

    def _try(self, mutant: Mutant) -> bool | None:
        # A grant to everybody is asked as somebody who has nothing of his own there.
        asked = [mutant.role] if mutant.role in ROLES else ["authenticator"] if mutant.role == "public" else ["member"]
        questions = [
            (f"{mutant.object}/{role}/{mutant.statement.split()[1]}", self._question(mutant, role)) for role in asked
        ]
        for key, question in questions:
            if (mutant.kind, key) not in self.known:
                with self.connection.transaction(force_rollback=True):
                    self.known[mutant.kind, key] = question()
        statement = mutant.statement.replace(":database", f'"{self.connection.info.dbname}"')
        with self.connection.transaction(force_rollback=True):
            if mutant.void and self.connection.execute(f"select {mutant.void}").fetchone() == (True,):
                return None
            try:
                self.connection.execute(statement)
            except psycopg.errors.InvalidGrantOperation:
                return None  # a circle of memberships, which PostgreSQL refuses
            return any(question() != self.known[mutant.kind, key] for key, question in questions)

    def _question(self, mutant: Mutant, role: str) -> Callable[[], Any]:
        what = mutant.object
        c = self.connection
        if what.startswith("schema "):
            return lambda: rights.schema(c, role, [what.removeprefix("schema ")])
        if what.startswith("sequence "):
            return lambda: rights.sequence(c, role, [what.removeprefix("sequence ")])
        if what == "roles":
            return lambda: rights.roles(c)
        if what in self.relations:
            relation = self.relations[what]
            if mutant.kind == "view without security_invoker":
                return lambda: stranger(c, relation)
            only = mutant.statement.split()[1]
            if only == "trigger":
                return lambda: rights.other(c, role, relation)
            return lambda: rights.relation(c, role, relation, only)
        function = self.functions[what]
        if mutant.kind == "extra grant on a function":
            return lambda: rights.function(c, role, [function])
        return lambda: rights.runs_as(c, function)


def stranger(connection: Connection, view: Relation) -> str:
    """What a role reads that may read the view and nothing behind it: a security-invoker view refuses it."""
    connection.execute("create role prove_stranger; grant prove_stranger to authenticator with set true, inherit false")
    for schema in SCHEMAS:
        connection.execute(f"grant usage on schema {schema} to prove_stranger")
    connection.execute(f"grant select on {view.full} to prove_stranger")
    connection.execute("set local session authorization authenticator; set local role prove_stranger")
    try:
        with connection.transaction():
            connection.execute(f"select count(*) from {view.full}")
        answer = "read"
    except psycopg.errors.InsufficientPrivilege as error:
        # By name: what stands behind the view, or a function in it, which the caller runs in any case.
        answer = str(error).splitlines()[0]
    connection.execute(BACK)
    return answer
