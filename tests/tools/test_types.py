"""`erpgres types`: the types fit a client that is right, and find what is wrong in one that is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from erpgres import npm
from erpgres.apitypes import names, python, typescript
from erpgres.cli import main
from erpgres.docs import catalog, reference
from erpgres.docs.model import Model
from erpgres.stack.state import State

CLIENTS = Path(__file__).with_name("types_clients")

# What is written wrong, and what the type checker says of it.
TYPESCRIPT = {
    "column_read": ("row.number ??", "row.nunber ??", "Property 'nunber' does not exist"),
    "column_selected": ("'number, total,", "'number, totl,", "column 'totl' does not exist"),
    "column_filtered": ("eq('status', 'POSTED')", "eq('status', 'POSTD')", "'\"POSTD\"' is not assignable"),
    "column_embedded": ("partners?.name", "partners?.nome", "Property 'nome' does not exist"),
    "column_updated": ("credit_limit: 1000", "credit_limt: 1000", "'credit_limt' does not exist"),
    "column_left_out": ("sku: 'A-1', ", "", "Property 'sku' is missing"),
    "value_unknown": ("'COMMODITY'", "'COTTON'", "'\"COTTON\"' is not assignable"),
    "argument": ("{ at: ", "{ moment: ", "'moment' does not exist"),
    "view": ("from('items')", "from('itms')", "'\"itms\"' is not assignable"),
}
PYTHON = {
    "column_read": ('row["number"]', 'row["nunber"]', 'has no key "nunber"'),
    "column_updated": ('"credit_limit": 1000', '"credit_limt": 1000', 'Extra key "credit_limt"'),
    "value_unknown": ('== "POSTED"', '== "POSTD"', "Non-overlapping equality check"),
    "argument_left_out": ('"document_type": "TRANSFER", ', "", 'Missing key "document_type"'),
}


@pytest.fixture(scope="module")
def model(stack: State) -> Model:
    return catalog.read(stack.dsn("migrator"))


def wrong_clients(folder: Path, suffix: str, mistakes: dict[str, tuple[str, str, str]]) -> None:
    text = (CLIENTS / f"client.{suffix}").read_text()
    (folder / f"client.{suffix}").write_text(text)
    for name, (right, wrong, _) in mistakes.items():
        assert text.count(right) == 1, right
        (folder / f"{name}.{suffix}").write_text(text.replace(right, wrong))


def judged(output: str, suffix: str, mistakes: dict[str, tuple[str, str, str]]) -> None:
    """The right client has no error, each wrong one has that of its mistake and no other file has any."""
    found: dict[str, str] = {}
    for name, text in re.findall(rf"^(\w+)\.{suffix}[:(](.*(?:\n {{2}}.*)*)", output, re.MULTILINE):
        found[name] = found.get(name, "") + text
    assert set(found) == set(mistakes), output
    for name, (_, _, said) in mistakes.items():
        assert said in found[name], found[name]


def test_a_misspelt_column_does_not_compile_in_typescript(model: Model, tmp_path: Path) -> None:
    packages = npm.project("types") / "node_modules"
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "database.ts").write_text(typescript.render(model))
    wrong_clients(tmp_path, "ts", TYPESCRIPT)
    files = sorted(path.name for path in tmp_path.glob("*.ts"))
    done = subprocess.run(
        [npm.node().program, packages / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck",
         "--pretty", "false", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", *files],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and done.stderr == ""
    judged(done.stdout, "ts", TYPESCRIPT)


def test_a_misspelt_column_is_found_by_mypy(model: Model, tmp_path: Path) -> None:
    (tmp_path / "erpgres_types.py").write_text(python.render(model))
    wrong_clients(tmp_path, "py", PYTHON)
    files = sorted(path.name for path in tmp_path.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--hide-error-context",
         f"--cache-dir={tmp_path / 'cache'}", *files],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    judged("\n".join(line for line in done.stdout.splitlines() if ": note:" not in line), "py", PYTHON)
    compile((tmp_path / "erpgres_types.py").read_text(), "erpgres_types.py", "exec")
    done = subprocess.run([sys.executable, tmp_path / "erpgres_types.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def called(*arguments: str) -> Result:
    """Call `erpgres types` in this process: most of a process of its own would be imports."""
    return CliRunner().invoke(main, ["types", *arguments])


def test_the_command_writes_what_the_catalog_has(stack: State, model: Model, tmp_path: Path) -> None:
    done = called("typescript", "--out", str(tmp_path / "types.ts"), "--state", str(stack.path))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "types.ts").read_text()
    assert text == typescript.render(model)
    for view in model.api_views:
        assert f"\n      {view.short}: {{\n        Row: {{\n" in text
    for function in model.functions:
        assert f"\n      {function.name}: {{\n        Args: " in text
    refused = called("python", "--out", str(tmp_path / "none" / "x.py"), "--state", str(stack.path))
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (2, True)


def test_what_others_may_add_is_understood(clone: str) -> None:
    """Kinds of functions and views that the API may have: tables as results, nothing, arrays, what is computed."""
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute(
            """
            create view api.stranger with (security_invoker = true) as
            select p.id, p.status, upper(p.code) as shout, array[p.name] as names, null::jsonb as extra
            from core.partner as p left join core.country as c on c.code = p.country_code
            union all select null, null, null, null, null;
            create function api.stranger_list(since date, tags text[] default null)
            returns table (code text, rows bigint, "from" date) language sql stable
            return (select row('x'::text, 1::bigint, since));
            create function api.stranger_stop(id uuid) returns void language sql begin atomic; end;
            create view analytics.stranger as select 1 as "class", code from core.partner
            """
        )
    model = catalog.read(clone)
    text = typescript.render(model)
    assert "shout: string | null" in text and "names: string[] | null" in text and "extra: Json" in text
    answer = ["Returns: {", "code: string | null", "rows: number | null", "from: string | null", "}[]"]
    assert " ".join(answer) in " ".join(text.split())
    assert "tags?: string[] | null" in text and "Returns: undefined" in text
    module = python.render(model)
    assert "StrangerStopResult = None" in module and "StrangerListResult = list[StrangerListLine]" in module
    exec(compile(module, "types", "exec"), {"__name__": "types_of_strangers"})
    pages = reference.render(model)
    assert "analytics.stranger" in pages["data/analytics.md"]
    assert "nothing (204)" in "".join(pages.values())


def test_types_are_read_as_postgrest_writes_them() -> None:
    told = {
        "numeric(18,4)": ("number", ""),
        "uuid": ("string", ""),
        "jsonb": ("json", ""),
        "text[]": ("string", ""),
        "timestamp with time zone": ("string", ""),
        "void": ("nothing", ""),
        "api.partners": ("row", "partners"),
    }
    assert {name: names.kind(name) for name in told} == told
    assert names.is_array("text[]") and not names.is_array("text")
    assert names.pascal("wms_document_lines") == "WmsDocumentLines"
