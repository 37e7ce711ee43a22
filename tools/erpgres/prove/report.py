"""The proof as a document: text for a terminal or a diff, HTML for an auditor, a summary for a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from erpgres.prove.mutants import Mutant
from erpgres.prove.run import Proof
from erpgres.settings import VERSION

# What each file of the matrix says, for who reads it without the rest.
FILES = {
    "views.csv": "What each kind of user is answered over HTTP, view by view: whose rows, which columns, which verbs.",
    "functions.csv": "What each kind of user is answered when he calls a function, with plain arguments.",
    "tokens.csv": "What a token is answered that must not be believed, on every view, verb and function.",
    "policies.csv": "Whose rows a database session reaches when it has every right: row-level security alone.",
    "rights.csv": "What each database role may name, read, write, call and become, row-level security aside.",
}

METHOD = [
    "The surface (views, columns, functions, tables, policies, foreign keys, roles) is read from the catalog of a "
    "freshly migrated database, so that nothing can be left out. The schema of the running database must equal it.",
    "Two organisations are filled by the application's own functions; each has users of every kind. A view or table "
    "without rows of both fails the proof.",
    "Over HTTP everything goes through a gateway and PostgREST with the running stack's configuration, the limits "
    "raised, with signed tokens; writes are rolled back (Prefer: tx=rollback). The counts must equal those of SQL.",
    "In SQL, rights are asked by using them on no row, and policies by using them with every right granted and "
    "triggers off: so neither can hide the other's gap. Writes are blind, without a condition.",
    "Rules that no matrix can bless hold besides: no row of another organisation or partner, no rights without a "
    "token, no grant on a partition, no TRUNCATE, a search_path for each definer function, no server error.",
    "Then the schema is broken in one way at a time, in a transaction of a clone, and what that touches is asked "
    "again. A mutation that no question notices is listed.",
]

BY_CATALOG = (
    "Judged by the catalog instead of by behaviour: whose rights a function runs with and its search_path (PostgreSQL "
    "applies them at each call), TRIGGER, REFERENCES and MAINTAIN, role attributes, calls of trigger functions."
)


def summary(proof: Proof) -> dict[str, Any]:
    """The result as plain values."""
    found, total = proof.hunt.counted
    return {
        "holds": proof.holds,
        "version": VERSION,
        "full": proof.full,
        "every": proof.sample.every,
        "seed": proof.sample.seed,
        "seconds": {name: round(value, 1) for name, value in proof.seconds.items()},
        "requests": proof.requests,
        "questions_in_sql": proof.questions,
        "embedded_rows": proof.embedded,
        "coverage": {"views": proof.views, "columns": proof.columns, "functions": proof.functions},
        "not_covered": proof.uncovered,
        "mutations": {
            "found": found,
            "total": total,
            "by_kind": {k: [proof.hunt.found[k], n] for k, n in sorted(proof.hunt.total.items())},
            "void": dict(sorted(proof.hunt.void.items())),
            "survived": [_mutant(m) for m in proof.hunt.survived],
        },
        "findings": [{"rule": f.rule, "where": f.where, "what": f.what} for f in proof.findings],
        "differences": [str(d) for d in proof.differences],
        "schema_difference": proof.schema_difference,
    }


def text(proof: Proof) -> str:
    """The result for a terminal; the matrix itself stands in sql/access."""
    told = summary(proof)
    found, total = proof.hunt.counted
    lines = [f"The proof {'holds' if proof.holds else 'DOES NOT HOLD'} (Erpgres {VERSION})", ""]
    for name, (covered, there) in told["coverage"].items():
        lines.append(f"{name:<12} {covered} of {there} asked ({100 * covered // max(there, 1)} %)")
    if not proof.sample.is_all:
        lines.append(f"{'in short':<12} one in {proof.sample.every}, --seed {proof.sample.seed}")
    lines.append(
        f"{'requests':<12} {proof.requests} through the gateway, {proof.questions} questions in SQL, "
        f"{proof.embedded} embedded rows looked at"
    )
    lines.append(f"{'mutations':<12} {found} of {total} found ({100 * found / max(total, 1):.1f} %)")
    for kind, (seen, made) in told["mutations"]["by_kind"].items():
        lines.append(f"    {kind:<44} {seen} of {made}")
    lines.append(f"{'time':<12} " + ", ".join(f"{k} {v} s" for k, v in told["seconds"].items()))
    lines.append(f"{'not covered':<12} " + ("nothing" if not proof.uncovered else ", ".join(proof.uncovered)))
    for title, entries in (
        ("Found wrong", [f"{f.rule}: {f.where}: {f.what}" for f in proof.findings]),
        ("Not as committed in sql/access", told["differences"]),
        ("Mutations that nobody noticed", [f"{m.kind}: {m.statement}" for m in proof.hunt.survived]),
        ("The running schema is not the proved one", proof.schema_difference.splitlines()[:40]),
    ):
        if entries:
            lines += ["", f"{title} ({len(entries)}):", *(f"  {entry}" for entry in entries)]
    if proof.differences:
        lines += ["", "If these are meant: `erpgres prove --update`, and have the diff of sql/access reviewed."]
    return "\n".join(lines) + "\n"


def html(proof: Proof) -> str:
    """The result as one page that needs nothing else: method, people, coverage, mutations, the whole matrix."""
    environment = Environment(
        loader=PackageLoader("erpgres.prove", "."),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = []
    for name, says in FILES.items():
        cells = proof.found.get(name, {})
        people = list(dict.fromkeys(who for values in cells.values() for who in values))
        rows = [
            (where, right, [values.get(who, "") for who in people]) for (where, right), values in sorted(cells.items())
        ]
        tables.append({"name": name, "says": says, "people": people, "rows": rows})
    return environment.get_template("report.html.j2").render(
        told=summary(proof), proof=proof, method=METHOD, by_catalog=BY_CATALOG, tables=tables
    )


def write(proof: Proof, folder: Path) -> list[Path]:
    """Write proof.txt and proof.html into a folder, which is made; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, content in (("proof.txt", text(proof)), ("proof.html", html(proof))):
        path = folder / name
        path.write_text(content, encoding="utf-8")
        made.append(path)
    return made


def _mutant(mutant: Mutant) -> str:
    return f"{mutant.kind}: {mutant.statement}"
