"""npm packages of single commands: installed once, whole or not at all, by hash. npm is a stand-in here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from erpgres import npm
from erpgres.errors import CannotRun
from erpgres.settings import ROOT

NPM = """#!/bin/sh
[ "$1" = --version ] && exec echo 11
echo "$*" >>"{log}"
sleep 0.3
{fail}
mkdir -p node_modules/it && cp package-lock.json node_modules/it/
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to install into, a project `it`, and an npm that only writes down how it is called."""
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path)
    (tmp_path / "bin" / "node").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin" / "node").chmod(0o755)
    source = tmp_path / "node" / "it"
    source.mkdir(parents=True)
    (source / "package.json").write_text("{}")
    (source / "package-lock.json").write_text('{"lock": 1}')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("ERPGRES_OFFLINE", raising=False)
    monkeypatch.setattr(npm, "PROJECTS", tmp_path / "node")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    return tmp_path


def stand_in(folder: Path, fail: str = "") -> None:
    (folder / "bin" / "npm").write_text(NPM.format(log=folder / "log", fail=fail))
    (folder / "bin" / "npm").chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def test_a_project_is_installed_once_and_then_needs_no_network(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = npm.project("it")
    assert (first / "node_modules" / "it" / "package-lock.json").read_text() == '{"lock": 1}'
    monkeypatch.setenv("ERPGRES_OFFLINE", "1")
    assert npm.project("it") == first
    assert len(calls(here)) == 1 and calls(here)[0].startswith("ci --ignore-scripts")


def test_a_changed_lock_is_installed_beside_the_old_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = npm.project("it")
    (here / "node" / "it" / "package-lock.json").write_text('{"lock": 2}')
    with monkeypatch.context() as offline:
        offline.setenv("ERPGRES_OFFLINE", "1")
        with pytest.raises(CannotRun, match="is not installed"):
            npm.project("it")
    second = npm.project("it")
    assert second != first and first.is_dir()
    assert (second / "node_modules" / "it" / "package-lock.json").read_text() == '{"lock": 2}'


def test_a_failed_installation_leaves_nothing(here: Path) -> None:
    stand_in(here, "echo 'npm error no such host' >&2; exit 1")
    with pytest.raises(CannotRun, match="tools/node/it could not be installed: npm error no such host") as refusal:
        npm.project("it")
    assert refusal.value.hint
    assert [path.name for path in (here / "venv" / "tools").iterdir()] == [".it.lock"]
    stand_in(here)
    assert npm.project("it").is_dir()


def test_many_at_once_install_once(here: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from erpgres import npm; sys.prefix = sys.argv[1]; "
        "npm.PROJECTS = Path(sys.argv[2]); print(npm.project('it'))"
    )
    command = [sys.executable, "-c", code, str(here / "venv"), str(here / "node")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == 1 and Path(answers.pop().strip()).is_dir()
    assert len(calls(here)) == 1


@pytest.mark.parametrize("path", sorted(ROOT.glob("tools/node/*/package-lock.json")), ids=lambda path: path.parent.name)
def test_locks_have_hashes_and_no_addresses(path: Path) -> None:
    packages = json.loads(path.read_text())["packages"]
    asked = json.loads((path.parent / "package.json").read_text())["dependencies"]
    assert all(version[0].isdigit() for version in asked.values())
    for name, package in packages.items():
        if name:
            assert package["integrity"].startswith("sha512-") and "resolved" not in package, name
