"""Building the site: a stack, its catalog, the examples, the diagrams, the pages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from erpgres import npm, settings
from erpgres.docs import catalog, diagrams, reference, site
from erpgres.docs import examples as tried
from erpgres.docs.markdown import slug
from erpgres.docs.model import Model
from erpgres.errors import CannotRun, Refused
from erpgres.stack.state import State

Progress = Callable[[str], None]

# Whose eyes the usual examples are seen through: users of the seeded data.
USERS = {"member": "admin@meghna.example", "partner": "buying@nordkap.example"}


@dataclass(frozen=True)
class Built:
    """What was made."""

    pages: int
    examples: int


def served(state: State) -> Path:
    """Return the folder that the gateway of a state serves as /docs/. Raises Refused when there is no such state."""
    if not state.exists:
        raise Refused(f"there is no stack in {state.path} to show the documentation", "`erpgres up -d`, or --out DIR")
    state.site.mkdir(mode=0o755, exist_ok=True)
    state.site.chmod(0o755)  # the gateway may run as another account
    return state.site / "docs"


def build(target: Path, progress: Progress) -> Built:
    """Build the site and put it at `target` in the place of the one that is there, whole or not at all.

    A stack is started for this and thrown away. Raises Refused when an example is not answered as it says or `target`
    is no site of ours, CannotRun when something is missing.
    """
    if target.exists() and not (target / "assets" / "search-index.js").is_file() and any(target.iterdir()):
        raise Refused(f"{target} holds other files", "name an empty or new directory")
    packages = npm.project("docs")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with throw_away_stack(progress) as state:
            built = _write(folder, state, packages, progress)
        for entry in (folder, *folder.rglob("*")):  # the gateway may run as another account
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        folder.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return built


@contextmanager
def throw_away_stack(progress: Progress) -> Iterator[State]:
    """Yield a running stack with the seeded data, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="erpgres-docs-"))
    folder.chmod(0o711)
    state = str(folder / "state")
    try:
        progress("starting a throw-away stack")
        _erpgres("up", "-d", "--state", state, "--port", str(_free_ports()))
        _erpgres("seed", "--state", state)
        yield State(state)
    finally:
        _erpgres("down", "--state", state)
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, state: State, packages: Path, progress: Progress) -> Built:
    model = catalog.read(state.dsn("migrator"))
    pages = site.collect(reference.render(model))
    progress("running the examples")
    plan = tried.load()
    check_names(plan, model)
    done = tried.Runner(state, throw_away=True).run(plan, list(tried.usual(model, USERS)), progress)
    openapi = description(state, model)
    progress("drawing")
    inserts = _inserts(model, pages, done)
    progress("writing the pages")
    figures = {
        "views": len(model.api_views),
        "functions": len(model.functions),
        "tables": len(model.tables),
        "permissions": len(model.permissions),
        "errors": len(model.errors),
        "examples": len(done),
    }
    return Built(site.write(folder, pages, inserts, openapi, figures, packages, settings.VERSION), len(done))


def check_names(plan: tried.Plan, model: Model) -> None:
    """Raise Refused when an example is of a view or function that there is not."""
    there = {("view", view.short) for view in model.api_views} | {("function", one.name) for one in model.functions}
    for example in plan.examples:
        if (example.kind, example.name) not in there:
            raise Refused(f"an example is of the {example.kind} {example.name}, which does not exist",
                          f"correct it in {tried.FOLDER.as_posix()}")  # fmt: skip


def _inserts(model: Model, pages: list[tuple[site.Page, str]], done: list[tried.Example]) -> dict[str, dict[str, str]]:
    """Return what goes into which page: {source: {heading: HTML}}."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    where: dict[str, tuple[str, str]] = {}
    for page, text in pages:
        for line in text.splitlines():
            if line.startswith("## ") and page.source.startswith("docs/reference/data/"):
                where[line[3:]] = (page.source, page.path)
    graphs: dict[str, str] = {}
    for domain in model.domains:
        source = f"docs/reference/data/{domain}.md"
        if any(page.source == source for page, _ in pages):
            link = {name: f"../../{path}#{slug(name)}" for name, (_, path) in where.items()}
            for number, graph in enumerate(diagrams.entities(model, domain, link)):
                graphs[f"domain {domain} {number}"] = graph
    for entity in sorted({step.entity for step in model.transitions}):
        if entity in where:
            graphs[f"states {entity}"] = diagrams.states(model, entity)
    drawn: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, svg in diagrams.draw(graphs).items():
        kind, what, *_ = name.split(" ")
        drawn[kind, what].append(svg)
    for (kind, what), svgs in drawn.items():
        if kind == "domain":
            alone = [name.split(".", 1)[1] for name in diagrams.unrelated(model, what)]
            left = f"Without references: {', '.join(alone)}." if alone else ""
            told = (
                f"Tables of {what} and what they refer to; dashed ones belong to other domains. Arrows to the "
                f"organisation are left out: every row has one. {left}"
            )
            found[f"docs/reference/data/{what}.md"][""] = site.diagram(svgs, told.strip())
        else:
            found[where[what][0]][what] = site.diagram(svgs, "Steps between states; a dashed one needs a reason.")
    by_name: dict[tuple[str, str], list[tried.Example]] = defaultdict(list)
    for example in done:
        by_name[example.kind, example.name].append(example)
    for page, text in pages:
        if not page.source.startswith("docs/reference/api/"):
            continue
        kind = "function" if "-functions" in page.source else "view"
        for line in text.splitlines():
            if line.startswith("## ") and (kind, line[3:]) in by_name:
                found[page.source][line[3:]] = site.examples(by_name[kind, line[3:]])
    return found


def description(state: State, model: Model) -> dict[str, Any]:
    """Return PostgREST's OpenAPI description as an administrator gets it, without what is true of one machine only.

    Functions that write lose their GET, which PostgREST lists and refuses; tags are domains.
    """
    answer = tried.Runner(state, throw_away=False).get("/api/", USERS["member"], "application/openapi+json")
    if answer.status_code != httpx.codes.OK:
        raise CannotRun(f"the API does not describe itself: {answer.status_code} {answer.text[:200]}")
    found: dict[str, Any] = answer.json()
    for name in ("host", "schemes", "externalDocs"):
        found.pop(name, None)
    found["basePath"] = "/api"
    found["info"]["version"] = settings.VERSION
    found["info"]["description"] = found["info"]["description"].replace("<", "&lt;")
    found["securityDefinitions"] = {
        "token": {"type": "apiKey", "name": "Authorization", "in": "header", "description": "Bearer <access_token>"}
    }
    found["security"] = [{"token": []}]
    functions = {one.name: one for one in model.functions}
    found["paths"].pop("/", None)
    for path, methods in found["paths"].items():
        name = path.rsplit("/", 1)[1]
        function = functions.get(name) if path.startswith("/rpc/") else None
        view = None if function else model.view(name)
        if function and not function.reads_only:
            methods.pop("get", None)
        domain = function.domain if function else view.domain if view else ""
        for verb, operation in methods.items():
            if isinstance(operation, dict):
                operation["tags"] = [f"{domain} {'functions' if function else 'views'}"]
                operation["operationId"] = f"{verb}_{name}"
    order = [f"{domain} {kind}" for domain in model.domains for kind in ("views", "functions")]
    there = {tag for methods in found["paths"].values() for one in methods.values() if isinstance(one, dict)
             for tag in one.get("tags", [])}  # fmt: skip
    found["tags"] = [{"name": name} for name in order if name in there]
    return found


def _free_ports() -> int:
    """Return the first of four ports in a row that are free on the loopback address."""
    for port in range(21000 + os.getpid() % 4000 * 4, 60000, 4):
        try:
            for offset in range(4):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise CannotRun("there are no four free ports in a row")


def _erpgres(*arguments: str) -> None:
    kept = ("ERPGRES_RUNTIME", "ERPGRES_RUN_AS", "ERPGRES_POSTGREST")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ERPGRES_") or k in kept}
    environment |= {"ERPGRES_RATE_USER": "6000r/m burst=1000", "ERPGRES_RATE_ADDRESS": "6000r/m burst=1000"}
    environment["PYTHONPATH"] = str(settings.ROOT / "tools")
    done = subprocess.run(
        [sys.executable, "-m", "erpgres", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")] or done.stderr.splitlines()
        raise CannotRun(f"erpgres {arguments[0]} failed: {lines[-1].removeprefix('error: ') if lines else ''}")
