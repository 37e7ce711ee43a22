"""`erpgres docs`: the committed pages are what the source says, examples are answered as they say."""

from __future__ import annotations

from pathlib import Path

import click
import httpx
import psycopg
import pytest
from click.testing import CliRunner

from conftest import TEMPLATE, Organization, cloned, locked
from erpgres.cli import main
from erpgres.docs import catalog, diagrams, examples, publish, reference, site
from erpgres.docs.markdown import Book, Section, prose, slug, table
from erpgres.docs.model import Column, ForeignKey, Model, Relation
from erpgres.errors import Refused
from erpgres.settings import DOMAINS
from erpgres.stack.state import State


@pytest.fixture(scope="module")
def model(stack: State) -> Model:
    """The model of a freshly migrated database, which no test changes."""
    with cloned(stack), locked("template"):  # what clones are made of: nobody else may be connected to it then
        return catalog.read(stack.dsn("migrator", TEMPLATE))


def check(clone: str, stack: State) -> tuple[int, str]:
    """Call `erpgres docs check` in this process: most of a process of its own would be imports."""
    done = CliRunner().invoke(main, ["docs", "check", "--database-url", clone, "--state", str(stack.path)])
    return done.exit_code, done.stdout


def test_the_committed_pages_are_not_stale(model: Model) -> None:
    difference = reference.difference(reference.read(), reference.render(model))
    assert difference == "", f"run `erpgres docs reference` on a freshly migrated database:\n{difference}"


def test_everything_has_its_place(model: Model) -> None:
    pages = reference.render(model)
    assert max(text.count("\n") for text in pages.values()) < 700
    headings: dict[str, set[str]] = {}
    for path, text in pages.items():
        kind = path.split("/")[0] + ("-functions" if "-functions" in path else "")
        headings.setdefault(kind, set()).update(line[3:] for line in text.splitlines() if line.startswith("## "))
    assert headings["data"] == {one.name for one in model.tables if one.domain in DOMAINS}
    assert headings["api"] >= {view.short for view in model.api_views}
    assert headings["api-functions"] == {one.name for one in model.functions}
    errors = "".join(text for path, text in pages.items() if path.startswith("errors/"))
    assert all(f"`{error.code}`" in errors for error in model.errors)
    permissions = "".join(text for path, text in pages.items() if path.startswith("permissions/"))
    assert all(f"| `{name}` |" in permissions for name in model.permissions)
    commands = {path.removeprefix("cli/").removesuffix(".md") for path in pages if path.startswith("cli/")}
    assert commands == set(main.list_commands(click.Context(main)))


def test_a_changed_comment_makes_the_pages_stale(stack: State, clone: str) -> None:
    assert check(clone, stack) == (0, "docs/reference is as the source says\n")
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("comment on column api.partners.code is 'What everybody calls it'")
    code, told = check(clone, stack)
    assert code == 1
    assert "+| `code` | text |  | POST/PATCH | What everybody calls it |" in told
    assert "docs/reference/api/core-views" in told


def test_programs_that_guides_link_to_have_pages() -> None:
    pages = {page.source: page.path for page, _ in site.collect({})}
    assert pages["docs/examples/erpgres.ts"] == "examples/erpgres.ts.html"
    assert pages["docs/examples/erpgres.py"] == "examples/erpgres.py.html"
    assert len(set(pages.values())) == len(pages)


def test_what_a_view_shows_is_known(model: Model) -> None:
    stock = model.view("wms_stock")
    assert stock
    told = {column.name: (column.source, column.nullable) for column in stock.columns}
    assert told["sku"] == (("core.item", "sku"), False)
    assert told["lot_status"] == (("wms.lot", "status"), True)  # a left join may leave it out
    assert told["available"] == (None, True)
    found = {(one.view, one.columns, one.target) for one in model.relationships()}
    assert ("wms_documents", ("org_id", "partner_id"), "partners") in found
    assert ("items", ("currency",), "currencies") in found
    assert not any(one.view == "currencies" for one in model.relationships())


def test_what_a_function_asks_and_refuses_is_found_through_its_helpers(model: Model) -> None:
    post = next(one for one in model.functions if one.name == "wms_document_post")
    assert post.permissions == ["wms.document.post"]
    assert {"wms.insufficient_stock", "core.permission_missing", "wms.document_not_draft"} <= set(post.errors)
    assert post.roles == ["member", "superadmin"]
    assert model.asked(next(v for v in model.api_views if v.short == "partners"), "insert") == ["core.partner.create"]


# ---- examples -------------------------------------------------------------------------------------------------------


def run(stack: State, *found: examples.Example) -> tuple[list[examples.Example], list[str]]:
    said: list[str] = []
    return examples.Runner(stack, throw_away=False).run(examples.Plan(examples=list(found)), [], said.append), said


def test_an_example_that_is_not_answered_as_it_says_is_refused(stack: State) -> None:
    right = examples.Example("function", "health", "Health", None, "GET")
    done, _ = run(stack, right)
    assert '"database": "up"' in done[0].answer
    wrong = examples.Example("function", "health", "Health", None, "GET", status=404)
    said: list[str] = []
    with pytest.raises(Refused, match="1 examples are not answered as they say"):
        examples.Runner(stack, throw_away=False).run(examples.Plan(examples=[wrong]), [], said.append)
    assert said[0].startswith("function health, Health: 200, not 404: ")


def test_what_an_example_writes_is_rolled_back(stack: State, org: Organization) -> None:
    email = org.db.execute("select email from core.app_user where id = %s", [org.user(administrator=True)]).fetchone()
    assert email
    body = {"code": "RUPSHA", "name": "Rupsha Dyes"}
    done, _ = run(stack, examples.Example("view", "partners", "A new one", email[0], "POST", body=body, status=201))
    assert '"code": "RUPSHA"' in done[0].answer
    count = org.db.execute("select count(*) from core.partner where org_id = %s", [org.id]).fetchone()
    assert count == (0,)


def test_an_example_of_nothing_is_refused(model: Model) -> None:
    plan = examples.load()
    publish.check_names(plan, model)
    plan.examples.append(examples.Example("view", "partnrs", "Misspelt", None, "GET"))
    with pytest.raises(Refused, match="the view partnrs, which does not exist"):
        publish.check_names(plan, model)


def test_an_example_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs" / "examples").mkdir(parents=True)
    (tmp_path / "docs" / "examples" / "x.toml").write_text('[[example]]\nview = "a"\ntitle = "b"\nstats = 200\n')
    with pytest.raises(Refused, match=r"x\.toml cannot be read: unknown keys: stats"):
        examples.load(tmp_path)


def test_secrets_are_not_shown() -> None:
    body = {"access_token": "eyJhbGciOiJIUzI1NiJ9.abc-def", "key": "erk_0123456789abcdef", "name": "Anna"}
    text = examples.shown(httpx.Response(200, json=body))
    assert '"eyJ…"' in text and '"erk_…"' in text and '"Anna"' in text
    assert "abc-def" not in text and "0123456789abcdef" not in text


# ---- writing pages --------------------------------------------------------------------------------------------------


def test_a_long_page_is_split_and_links_find_the_parts() -> None:
    book = Book()
    lines = ["{{thing:t9}} {{thing:other|elsewhere}}"] * 100
    sections = [Section(f"t{n}", lines, "thing", (f"t{n}",)) for n in range(10)]
    paths = book.add("a/long.md", "Long", ["Intro."], sections)
    book.add("b/short.md", "Short", ["See {{thing:t0}}."], [])
    pages = book.render()
    assert paths == ["a/long.md", "a/long-2.md"]
    assert "[`t9`](long-2.md#t9) elsewhere" in pages["a/long.md"]
    assert "[`t9`](#t9)" in pages["a/long-2.md"]
    assert "See [`t0`](../a/long.md#t0)." in pages["b/short.md"]
    assert all(text.count("\n") < 700 for text in pages.values())


def test_text_of_comments_cannot_break_a_page() -> None:
    assert table(["a", "b", "c"], [("x|y", "", "two\nlines")]) == ["| a | c |", "|---|---|", r"| x\|y | two lines |"]
    assert prose("id=lt.<last id> and `<b>`") == r"id=lt.\<last id> and `<b>`"
    assert slug("core.partner") == "corepartner" and slug("Status 404") == "status-404"


def test_a_diagram_shows_tables_and_what_they_refer_to() -> None:
    lot = Relation("wms.lot", "table", "wms", columns=[Column("id", "uuid"), Column("item_id", "uuid")])
    lot.foreign_keys = [ForeignKey("item_exists", lot.name, ("org_id", "item_id"), "core.item", ("org_id", "id"))]
    note = Relation("wms.note", "table", "wms", columns=[Column("id", "uuid")])
    note.foreign_keys = [ForeignKey("organization_exists", note.name, ("org_id",), "core.organization", ("id",))]
    tables = [lot, note]
    model = Model(["wms"], tables, [], [], [], {}, [], [], [])
    assert diagrams.unrelated(model, "wms") == ["wms.note"]
    (graph,) = diagrams.entities(model, "wms", {"core.item": "core.html#coreitem"})
    assert 'URL="core.html#coreitem"' in graph and "<b>lot</b>" in graph
    assert '"wms.lot":"item_id":e -> "core.item"' in graph and "note" not in graph
