"""Ways to break the schema, one at a time: what the proof must notice, made from the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from erpgres.prove.sample import Sample
from erpgres.prove.surface import ROLES, Policy, Relation, Surface

# Where a mutant is tried: the clone in which every right is granted, or the one with the rights as they are.
POLICIES = "policies"
RIGHTS = "rights"

# Roles of PostgreSQL that see or do more than any of ours may, and ways to be a member with what each gives.
POWERFUL = ("pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_execute_server_program")
OPTIONS = {
    "inherit true, set false": "USAGE",
    "inherit false, set true": "SET",
    "admin true, inherit false, set false": "MEMBER WITH ADMIN OPTION",
}


@dataclass(frozen=True)
class Mutant:
    """One broken schema. `kind` groups it in the report, `object` is what is asked about it, `role` whom it concerns.

    `void` is a condition in SQL under which the statement changes nothing: what it grants is granted already.
    """

    kind: str
    where: str
    object: str
    statement: str
    role: str | None = None
    void: str | None = None


def sample(chosen: Sample, made: list[Mutant]) -> list[Mutant]:
    """Some mutants of each kind in each schema: one in so many, and at least one."""
    groups: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in made:
        groups.setdefault((mutant.kind, mutant.object.removeprefix("schema ").split(".")[0]), []).append(mutant)
    return [mutant for place, group in enumerate(groups.values()) for mutant in chosen.of(group, place)]


def everything(surface: Surface, *, full: bool = False) -> list[Mutant]:
    """All mutants. Without `full`, an extra grant is one privilege for each object and role instead of every one."""
    found: list[Mutant] = []
    for policy in surface.policies:
        found += _of_policy(policy)
    for number, table in enumerate(surface.tables):
        if table.has_rls:
            found += [
                Mutant(
                    "row-level security off",
                    POLICIES,
                    table.full,
                    f"alter table {table.full} disable row level security",
                ),
                Mutant(
                    "row-level security not forced",
                    POLICIES,
                    table.full,
                    f"alter table {table.full} no force row level security",
                    "owner",
                ),
            ]
        found += _grants(table, number, full)
    for number, view in enumerate(surface.views):
        found.append(
            Mutant(
                "view without security_invoker",
                RIGHTS,
                view.full,
                f"alter view {view.full} set (security_invoker = false)",
            )
        )
        found += _grants(view, number, full)
    found += _functions(surface)
    found += _others(surface)
    return found


def _of_policy(policy: Policy) -> Iterator[Mutant]:
    name = f'"{policy.name}" on {policy.table}'

    def mutant(kind: str, statement: str) -> Mutant:
        return Mutant(kind, POLICIES, policy.table, statement, policy.role)

    yield mutant("policy dropped", f"drop policy {name}")
    if policy.using not in (None, "true"):
        yield mutant("policy made true: using", f"alter policy {name} using (true)")
    # A check that says what USING says and asks about no column holds for every row that USING lets through.
    if policy.check not in (None, "true") and not (policy.check == policy.using and policy.is_about_caller):
        yield mutant("policy made true: check", f"alter policy {name} with check (true)")
    # Without a check, USING is the check: taking away one that says the same changes nothing.
    if policy.check is not None and policy.command in ("all", "update") and policy.check != policy.using:
        using = f"using ({policy.using})" if policy.using else ""
        yield mutant(
            "policy without its check",
            f"drop policy {name}; create policy {name} for {policy.command} to {policy.role} {using}",
        )
    yield mutant("policy for everybody", f"alter policy {name} to public")


def _grants(what: Relation, number: int, full: bool) -> Iterator[Mutant]:
    kind = {"view": "extra grant on a view", "partition": "grant on a partition"}.get(
        what.kind, "extra grant on a table"
    )
    privileges = ["select", "insert", "update", "delete", *([] if what.kind == "view" else ["truncate", "trigger"])]
    for place, role in enumerate((*ROLES, "public")):
        turn = number + place
        chosen = privileges if full else [privileges[turn // 2 % len(privileges)]] if turn % 2 else []
        for privilege in chosen:
            yield Mutant(
                kind,
                RIGHTS,
                what.full,
                f"grant {privilege} on {what.full} to {role}",
                role,
                f"has_table_privilege('{role}', '{what.full}', '{privilege}')",
            )
        columns = what.columns if full else [] if turn % 2 else [what.columns[turn // 2 % len(what.columns)]]
        for column in columns:
            privilege = ("select", "insert", "update")[turn % 3]
            yield Mutant(
                "extra grant on a column",
                RIGHTS,
                what.full,
                f'grant {privilege} ("{column.name}") on {what.full} to {role}',
                role,
                f"has_column_privilege('{role}', '{what.full}', '{column.name}', '{privilege}')",
            )


def _functions(surface: Surface) -> Iterator[Mutant]:
    for number, function in enumerate(surface.functions):
        if function.is_definer:
            yield Mutant(
                "definer function without search_path",
                RIGHTS,
                function.full,
                f"alter function {function.full} reset search_path",
            )
            yield Mutant(
                "definer function with an open search_path",
                RIGHTS,
                function.full,
                f"alter function {function.full} set search_path = public, pg_catalog",
            )
            yield Mutant(
                "definer made invoker", RIGHTS, function.full, f"alter function {function.full} security invoker"
            )
        else:
            yield Mutant(
                "function made definer", RIGHTS, function.full, f"alter function {function.full} security definer"
            )
        for role in ((*ROLES, "public")[number % (len(ROLES) + 1)], "public"):
            yield Mutant(
                "extra grant on a function",
                RIGHTS,
                function.full,
                f"grant execute on function {function.full} to {role}",
                role,
                f"has_function_privilege('{role}', '{function.full}', 'execute')",
            )


def _others(surface: Surface) -> Iterator[Mutant]:
    for name in surface.schemas:
        for role in (*ROLES, "public"):
            for privilege in ("usage", "create"):
                yield Mutant(
                    "extra grant on a schema",
                    RIGHTS,
                    f"schema {name}",
                    f"grant {privilege} on schema {name} to {role}",
                    role,
                    f"has_schema_privilege('{role}', '{name}', '{privilege}')",
                )
    for name in surface.sequences:
        for role in (*ROLES, "public"):
            yield Mutant(
                "extra grant on a sequence",
                RIGHTS,
                f"sequence {name}",
                f"grant usage, select on sequence {name} to {role}",
                role,
                f"has_sequence_privilege('{role}', '{name}', 'usage')",
            )
    for role in ROLES:
        for granted in (*ROLES, "owner", *POWERFUL):
            if granted != role:
                for options, right in OPTIONS.items():
                    yield Mutant(
                        "extra role membership",
                        RIGHTS,
                        "roles",
                        f"grant {granted} to {role} with {options}",
                        role,
                        f"pg_has_role('{role}', '{granted}', '{right}')",
                    )
        for attribute in ("superuser", "bypassrls", "createrole", "createdb", "replication"):
            yield Mutant("extra role attribute", RIGHTS, "roles", f"alter role {role} {attribute}", role)
        yield Mutant(
            "extra grant on a setting",
            RIGHTS,
            "roles",
            f"grant set on parameter session_replication_role to {role}",
            role,
        )
        yield Mutant(
            "extra grant on the database", RIGHTS, "roles", f"grant create on database :database to {role}", role
        )


def kinds(mutants: Sequence[Mutant]) -> list[str]:
    """The kinds that occur, in order."""
    return list(dict.fromkeys(m.kind for m in mutants))
