"""From what was watched on the clone to verdicts: estimates with the sizes of the live tables, and the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pglast import ast, enums

from erpgres.migrate.files import Migration
from erpgres.migrate.locks import table as lock_table
from erpgres.migrate.locks.classify import tables_of
from erpgres.migrate.locks.table import blocks, strength, strongest
from erpgres.migrate.plan.live import Live
from erpgres.migrate.plan.model import LAYER, Finding, Held, Lock, StatementReport, Verdict
from erpgres.migrate.plan.observe import Observer, Step, Transaction
from erpgres.migrate.plan.rates import Estimate, Estimator, seconds
from erpgres.migrate.plan.rules import RULES

WRITES = ("update", "delete", "insert_select")
# Rows that one statement may write: a batch. More keep their locks, and their dead versions, until the commit.
BATCH = 10_000
_FOREIGN_KEYS = {"add_foreign_key", "validate_foreign_key"}


class Judge:
    """Judges one run: `budget` is how long requests may wait, `patience` how old a blocker may be, both in seconds.

    `rows_written` gives the rows that an UPDATE, DELETE or INSERT … SELECT would write, by (path, line).
    """

    def __init__(
        self, live: Live, observer: Observer, estimator: Estimator, budget: float, patience: float,
        rows_written: dict[tuple[str, int], float],
    ) -> None:  # fmt: skip
        self.live, self.observer, self.estimator = live, observer, estimator
        self.budget, self.patience, self.rows_written = budget, patience, rows_written
        self.table = lock_table.read(live.version // 10000)

    def verdict(self, migration: Migration) -> Verdict:
        """Return the verdict on one migration, without what only the whole run shows."""
        found = Verdict(migration.name, migration.header.get("why", ""), accepts=migration.accepts)
        steps = [step for step in self.observer.steps if step.path.endswith(f"/{migration.name}")]
        estimates = [self._estimate(step) for step in steps]
        for number, (step, (estimate, why)) in enumerate(zip(steps, estimates, strict=True)):
            found.statements.append(self._report(step, estimate, why))
            found.findings += self._judge(step, steps[: number + 1], estimate, why)
            found.notes += self._notes(step)
        found.held = self._held(steps, [estimate for estimate, _ in estimates])
        found.findings += self._queue(steps)
        return found

    # What a statement takes.

    def _bytes(self, oid: int) -> int:
        relation = self.live.relations.get(self.observer.relations[oid].name)
        return relation.bytes if relation else 0

    def _rows(self, oid: int) -> float:
        relation = self.live.relations.get(self.observer.relations[oid].name)
        return relation.rows if relation else 0.0

    def _kinds(self, step: Step) -> set[str]:
        return {kind for part in step.parts for kind in part.kinds}

    def _estimate(self, step: Step) -> tuple[Estimate, str]:
        """Return the seconds on the live database, and what takes them."""
        relations, kinds, total = self.observer.relations, self._kinds(step), Estimate()
        if "truncate" in kinds:
            return total, ""
        reasons: list[str] = []
        heaps = [oid for oid in step.rewrites if relations[oid].kind in "rm"]
        for oid in heaps:
            total += self.estimator.rewrite(self._bytes(oid))
            count = sum(1 for r in relations.values() if r.of == oid and r.kind == "i")
            total += self.estimator.index(self._bytes(oid)).times(count)
        if heaps:
            reasons.append(f"writes {self.describe(heaps)} anew")
        rebuilt = [oid for oid in step.rewrites if relations[oid].kind == "i" and relations[oid].of not in heaps]
        for oid in rebuilt:
            total += self.estimator.index(self._bytes(relations[oid].of))
        if rebuilt:
            reasons.append(f"builds {len(rebuilt)} indexes anew")
        for oid, _ in step.builds:
            total += self.estimator.index(self._bytes(oid), concurrently=step.alone)
        built = {oid for oid, _ in step.builds}
        if built:
            reasons.append(f"builds an index on {self.describe(built)}")
        if kinds & set(WRITES):
            rows = self.rows_written.get((step.path, step.line), 0.0)
            size = sum(self.live.heap(name) for name in tables_of(step.node))
            total += self.estimator.scan(size) + self.estimator.write(rows * self._width(step))
            reasons.append(f"writes about {rows:,.0f} rows")
            return total, "; ".join(reasons)
        scanned = {oid for oid in step.scans if oid not in heaps and oid not in built and relations[oid].kind in "rm"}
        scanned -= {relations[oid].of for oid in rebuilt}
        for oid in scanned:
            total += self.estimator.scan(self._bytes(oid), foreign_key=bool(kinds & _FOREIGN_KEYS))
        if scanned:
            reasons.append(f"reads {self.describe(scanned)}")
        return total, "; ".join(reasons)

    def _width(self, step: Step) -> float:
        """Return the bytes of a row of what is written: that of the table, or of what is read."""
        names = {part.table for part in step.parts if part.table}
        names |= tables_of(step.node)
        oids = [oid for oid, r in self.observer.relations.items() if r.name in names]
        widths = [self._bytes(oid) / self._rows(oid) for oid in oids if self._rows(oid) >= 1]
        return max(widths, default=100.0)

    def describe(self, oids: Iterable[int]) -> str:
        """Return tables with their rows and size, partitions under the name of their parent."""
        groups: dict[str, list[int]] = {}
        for oid in oids:
            groups.setdefault(self._root(oid), []).append(oid)
        parts = []
        for name, members in sorted(groups.items()):
            rows, size = sum(self._rows(oid) for oid in members), sum(self._bytes(oid) for oid in members)
            parts.append(f"{name} ({rows:,.0f} rows, {_size(size)})")
        return ", ".join(parts)

    def _root(self, oid: int) -> str:
        relation = self.observer.relations[oid]
        root = self.observer.relations.get(relation.root or oid, relation)
        return root.shown

    # What a statement is reported as.

    def _report(self, step: Step, estimate: Estimate, why: str) -> StatementReport:
        relations = self.observer.relations
        titles = [self._title(step, part.kinds) for part in step.parts]
        return StatementReport(
            step.place, step.line, " ".join(step.text.split()), list(dict.fromkeys(titles)), self._locks(step),
            sorted({self._root(oid) for oid in step.rewrites if relations[oid].kind in "rm"}),
            sorted({self._root(oid) for oid in step.scans}), [name for _, name in step.builds], step.transaction,
            estimate, why,
        )  # fmt: skip

    def _title(self, step: Step, kinds: tuple[str, ...]) -> str:
        """Return the title of the kind that agrees best with what was measured."""
        known = lock_table.kinds()

        def agreement(kind: str) -> int:
            row = self.table.get(kind)
            if row is None:
                return -1
            heaps = [oid for oid in step.rewrites if self.observer.relations[oid].kind in "rm"]
            return (bool(row.rewrite) == bool(heaps)) * 2 + (bool(row.scan) == bool(step.scans))

        return known[max(kinds, key=agreement)].title

    def _locks(self, step: Step) -> list[Lock]:
        """Return the locks that a statement took, one line for all tables with the same mode; indexes are left out."""
        by_mode: dict[str, set[str]] = {}
        waits: dict[str, list[str]] = {}
        for oid, mode in step.locks.items():
            relation = self.observer.relations[oid]
            if relation.kind in "rpmvS" and strength(mode) > strength("ROW SHARE"):
                by_mode.setdefault(mode, set()).add(self._root(oid))
                waits.setdefault(mode, []).extend(b.describe() for b in self.live.waits_for(relation.name, mode))
        return [
            Lock(sorted(names), mode, blocks(mode), list(dict.fromkeys(waits[mode])))
            for mode, names in sorted(by_mode.items(), key=lambda item: -strength(item[0]))
        ]

    def _held(self, steps: list[Step], estimates: list[Estimate]) -> list[Held]:
        """Return for each table how long requests to it wait: from the statement that locks it to the end."""
        found: dict[str, Held] = {}
        for number, step in enumerate(steps):
            rest = Estimate()
            for other, estimate in zip(steps[number:], estimates[number:], strict=True):
                if other.transaction == step.transaction:
                    rest += estimate
            for oid, mode in step.locks.items():
                relation = self.observer.relations[oid]
                if relation.kind not in "rpm" or not blocks(mode):
                    continue
                name = self._root(oid)
                before = found.get(name)
                if before is None or (rest.high, strength(mode)) > (before.estimate.high, strength(before.mode)):
                    root = self.observer.relations.get(relation.root or oid, relation)
                    rate = self.live.writes_per_second(root.name)
                    found[name] = Held(name, mode, blocks(mode), rest, step.line, rate)
        return sorted(found.values(), key=lambda held: -held.estimate.high)

    # The rules.

    def _judge(self, step: Step, until: list[Step], estimate: Estimate, why: str) -> list[Finding]:
        found = [*self._partitions(step), *self._dropped(step), *self._against_table(step)]
        if isinstance(step.node, ast.DoStmt):
            message = "a DO block is code: what it does to rows cannot be known from an empty clone"
            found.append(
                Finding("plan.not_measured", step.place, message, "statements, or a job that works in batches")
            )
        rows = self.rows_written.get((step.path, step.line), 0.0)
        blocking = self._blocking(step) if estimate.high > self.budget else {}
        if rows > BATCH:
            message = f"writes about {rows:,.0f} rows in one statement: {estimate}; they stay locked until the commit"
            message += self._waiting(step, until)
            found.append(Finding("plan.unbatched_write", step.place, message, self._instead(step)))
        elif blocking:
            message = f"{why}: {estimate}{self._waiting(step, until)}"
            found.append(Finding(self._rule(step), step.place, message, self._instead(step)))
        return found

    def _waiting(self, step: Step, until: list[Step]) -> str:
        """Return on which tables requests wait while a statement runs, through which lock, since when."""
        blocking = self._blocking(step)
        since = {oid: earlier for earlier in reversed(until) for oid in earlier.locks if oid in blocking}
        waiting: dict[str, set[str]] = {}
        for oid, mode in blocking.items():
            first = since.get(oid, step)
            earlier = f" since line {first.line}" if first.line < step.line else ""
            waiting.setdefault(blocks(mode), set()).add(f"{self._root(oid)} ({mode}{earlier})")
        words = [f"{what} wait on {', '.join(sorted(names))}" for what, names in sorted(waiting.items())]
        return f"; meanwhile {'; '.join(words)}" if words else ""

    def _blocking(self, step: Step) -> dict[int, str]:
        """Return the locks on tables, held when a statement had run, that keep requests out."""
        return {
            oid: mode for oid, mode in step.held.items()
            if blocks(mode) and self.observer.relations[oid].kind in "rpm"
        }  # fmt: skip

    def _rule(self, step: Step) -> str:
        if any(self.observer.relations[oid].kind in "rm" for oid in step.rewrites):
            return "plan.rewrite_under_lock"
        return "plan.index_not_concurrent" if step.builds else "plan.blocking_scan"

    def _instead(self, step: Step) -> str:
        """Return the safe way of the kind that a statement turned out to be, and the template that writes it."""
        titles = {self._title(step, part.kinds) for part in step.parts}
        found = [kind for kind in lock_table.kinds().values() if kind.title in titles and kind.instead]
        hints = [
            *(kind.instead for kind in found),
            *(f"erpgres migrate new --kind {k.template}" for k in found if k.template),
        ]
        return "; ".join(dict.fromkeys(hints)) or "take the lock in a migration of its own, after the long work"

    def _partitions(self, step: Step) -> list[Finding]:
        node, bounds = step.node, []
        if isinstance(node, ast.CreateStmt) and node.partbound is not None:
            bounds.append(node.partbound)
        if isinstance(node, ast.AlterTableStmt):
            bounds += [c.def_.bound for c in node.cmds or () if c.subtype == enums.AlterTableType.AT_AttachPartition]
        if not any(bound is not None and bound.is_default for bound in bounds):
            return []
        message = "a default partition: every partition made later reads it from end to end under ACCESS EXCLUSIVE"
        hint = "make partitions ahead (ops.ensure_partitions), and let an id outside them be refused"
        return [Finding("plan.default_partition", step.place, message, hint)]

    def _dropped(self, step: Step) -> list[Finding]:
        """Find what takes rows away for good: a table, a column, or all rows."""
        kinds = self._kinds(step)
        names = {part.table for part in step.parts if part.table}
        full = sorted(name for name in names if name in self.live.relations and self.live.rows(name) >= 1)
        words = {"drop_table": "drops", "drop_column": "drops a column of", "truncate": "empties"}
        verb = next((words[kind] for kind in words if kind in kinds), None)
        if verb is None or not full:
            return []
        shown = ", ".join(f"{'.'.join(name)} ({self.live.rows(name):,.0f} rows)" for name in full)
        hint = "say in the header why they are not needed: -- accept: plan.data_dropped: …"
        return [Finding("plan.data_dropped", step.place, f"{verb} {shown}; nothing brings them back", hint)]

    def _against_table(self, step: Step) -> list[Finding]:
        """Compare what a statement locked with what the lock table says of its kinds."""
        found = []
        oids = {r.name: oid for oid, r in self.observer.relations.items()}
        wanted: dict[int, list[list[str]]] = {}
        for part in step.parts:
            rows = [self.table[kind].lock for kind in part.kinds if kind in self.table]
            if part.table in oids and rows:
                wanted.setdefault(oids[part.table], []).append(rows)
        for oid, parts in wanted.items():
            least = max(min(strength(mode) for mode in modes) for modes in parts)
            most = max(max(strength(mode) for mode in modes) for modes in parts)
            taken, held = strength(step.locks.get(oid, "")), strength(step.held.get(oid, ""))
            if taken > most or (held < least and not step.alone):
                says = " or ".join(sorted({mode or "no lock" for modes in parts for mode in modes}))
                seen = strongest([step.locks.get(oid, ""), step.held.get(oid, "")]) or "no lock"
                message = f"took {seen} on {self.observer.relations[oid].shown}; the lock table says {says}"
                found.append(Finding("plan.lock_table", step.place, message, "erpgres migrate locks measure"))
        return found

    def _notes(self, step: Step) -> list[str]:
        if not step.alone:
            return []
        older = [b for b in self.live.blockers if b.has_snapshot or b.locks]
        return [f"line {step.line} waits for every transaction older than itself: {b.describe()}" for b in older]

    def _queue(self, steps: list[Step]) -> list[Finding]:
        """Find who has been holding, for longer than the patience, what a statement would wait for now."""
        found: dict[tuple[str, str], Finding] = {}
        for step in steps:
            for oid, mode in step.locks.items():
                relation = self.observer.relations[oid]
                for blocker in self.live.waits_for(relation.name, mode):
                    if blocker.age <= self.patience and not blocker.is_wraparound:
                        continue
                    message = f"{mode} on {relation.shown} would wait now for {blocker.describe()}"
                    if blocks(mode):
                        message += f"; while it waits, {blocks(mode)} wait behind it"
                    hint = "end it, or come back when it has ended" + (f": {blocker.query}" if blocker.query else "")
                    found.setdefault((self._root(oid), blocker.describe()),
                                     Finding("plan.lock_queue", step.place, message, hint))  # fmt: skip
        return list(found.values())

    def layer(self, transactions: list[Transaction], files: list[str]) -> Verdict:
        """Return the verdict on the repeatable layer: what it locked beside the migrations, and for how long."""
        found = Verdict(LAYER)
        by_step: dict[int, set[int]] = {}
        for step in self.observer.steps:
            by_step.setdefault(step.transaction, set()).update(step.locks)
        locked: dict[str, str] = {}
        views = 0
        for transaction in transactions:
            if not transaction.committed:
                continue
            for oid, mode in transaction.locks.items():
                relation = self.observer.relations[oid]
                if relation.name[0] in ("api", "analytics") and relation.kind in "vm":
                    views += strength(mode) == strength("ACCESS EXCLUSIVE")
                elif relation.kind in "rpm" and blocks(mode) and oid not in by_step.get(transaction.number, set()):
                    locked[self._root(oid)] = strongest([mode, locked.get(self._root(oid), "")])
        if views:
            found.notes.append(f"{views} views of api and analytics are made anew")
        for mode in sorted(set(locked.values()), key=strength, reverse=True):
            names = sorted(name for name, each in locked.items() if each == mode)
            found.notes.append(f"{mode} until the commit on {_list(names)}")
        away = max((transaction.api_away for transaction in transactions if transaction.committed), default=0.0)
        if away > self.budget:
            message = f"the views of the API were away for {seconds(away)} on the clone: requests wait that long"
            hint = f"what is done anew: {_list(files)}" if files else ""
            found.findings.append(Finding("plan.api_stall", LAYER, message, hint))
        return found


def accept(verdicts: list[Verdict], extra: list[tuple[str, str]]) -> None:
    """Mark the findings that headers accept. What the run as a whole shows may be accepted by any header of it."""
    everywhere = [pair for verdict in verdicts for pair in verdict.accepts] + extra
    for verdict in verdicts:
        pairs = everywhere if verdict.name == LAYER else verdict.accepts + extra
        for finding in verdict.findings:
            finding.accepted = next((reason for rule, reason in pairs if rule == finding.rule and reason), None)
    for verdict in verdicts:
        for rule, reason in verdict.accepts:
            if rule not in RULES or not reason:
                wrong = f"there is no rule {rule}" if rule not in RULES else f"the acceptance of {rule} has no reason"
                verdict.findings.append(Finding("plan.accept_unclear", verdict.name, wrong, "-- accept: RULE: reason"))
            elif not any(f.rule == rule and f.accepted for v in verdicts for f in v.findings):
                verdict.notes.append(f"the acceptance of {rule} covers nothing here")


def _list(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit in ("bytes", "kB") or size >= 100 else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError


def findings_of_contract(contract: list[Any], access: list[Any], queries: list[Any]) -> list[Finding]:
    """Turn differences of the whole run into findings of the repeatable layer."""
    found = [
        Finding(
            "plan.breaking_api", change.what, change.message, "keep the old form beside the new until clients moved"
        )
        for change in contract
        if change.breaking
    ]
    for change in access:
        if change.effect == "widened":
            found.append(Finding("plan.access_widened", change.what, change.message, "say in a header why it is meant"))
        elif change.effect == "narrowed" and change.what.startswith(("view api.", "function api.")):
            hint = "whoever uses it now gets 403"
            found.append(Finding("plan.breaking_api", change.what, change.message, hint))
    for change in queries:
        if change.rule is not None:
            found.append(Finding(change.rule, change.query, change.message, "erpgres migrate plan shows both plans"))
    return found
