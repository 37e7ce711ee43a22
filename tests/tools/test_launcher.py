"""The launcher: finds Python, installs once, says what is lacking. Python and pip are stand-ins here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erpgres.settings import ROOT, VERSION

TOOLS = ("sh", "readlink", "dirname", "cksum", "cat", "mkdir", "tail", "grep", "rm", "mv", "cp", "cmp", "sleep", "ln")
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-node.lock")
INPUTS = ("erpgres", ".python-version", *LOCKS, "deploy/postgrest")

# A Python that claims to be new enough; its `-m venv` makes an environment whose pip keeps a list, and takes a moment
# where two run at once.
PYTHON = """#!/bin/sh
case "$*" in
  *ensurepip*) exit {without_venv} ;;
  *version_info*'[:2]'*) echo 3.12 ;;
  *version_info*) exit {too_old} ;;
  --version) echo Python 3.12.0 ;;
  *'-m venv'*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *'pip --version'*) ;;
  *'install'*) echo "$*" >>"{log}"; sleep {moment}; echo 'ERROR: no index' >&2; exit {pip} ;;
  *'-m erpgres'*) echo "ran with PYTHONPATH=$PYTHONPATH: $*" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without `.venv`, in a path with a space."""
    root = tmp_path / "my checkout"
    for name in INPUTS:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return root


def installed(folder: Path) -> list[str]:
    """How pip was called for the packages themselves (what builds one of them goes before, in a call of its own)."""
    return [call for call in (folder / "pip.log").read_text().splitlines() if call.endswith("requirements.lock")]


def stand_in(
    path: Path, log: Path, *, without_venv: int = 0, too_old: int = 0, pip: int = 0, moment: float = 0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PYTHON.format(log=log, without_venv=without_venv, too_old=too_old, pip=pip, moment=moment))
    path.chmod(0o755)
    return path


def environment(root: Path, *, tools: tuple[str, ...] = (*TOOLS, "flock"), **extra: str) -> dict[str, str]:
    """A bare environment whose PATH holds these tools and, first, what a test puts into `bin`."""
    folder = root.parent / "tools"
    folder.mkdir(exist_ok=True)
    for name in tools:
        found = shutil.which(name)
        assert found, name
        if not (folder / name).exists():
            (folder / name).symlink_to(found)
    path = f"{root.parent / 'bin'}:{folder}"
    return {"PATH": path, "HOME": str(root.parent), "ERPGRES_POSTGREST": "/bin/true", **extra}


def launch(root: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "erpgres", *arguments], env=environment(root, **extra), capture_output=True, text=True, check=False
    )


def test_an_installed_checkout_starts_at_once_from_anywhere(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".venv").symlink_to(sys.prefix)
    (checkout / "tools").symlink_to(ROOT / "tools")
    stamp = Path(sys.prefix) / ".installed"
    if not stamp.exists():
        pytest.fail("the tests do not run in the environment that ./erpgres made")
    link = tmp_path / "a link"
    link.symlink_to(Path("my checkout") / "erpgres")
    begun = time.monotonic()
    env = environment(checkout)
    done = subprocess.run([link, "--version"], cwd="/", env=env, capture_output=True, text=True, check=False)
    print(f"the launcher and --version took {time.monotonic() - begun:.2f} s")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"erpgres, version {VERSION}\n", "")


def test_the_first_run_installs_and_the_second_does_not(checkout: Path, tmp_path: Path) -> None:
    python = stand_in(tmp_path / "bin" / "python3.13", tmp_path / "pip.log")
    first = launch(checkout, "status", "--format", "json")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"ran with PYTHONPATH={checkout / 'tools'}: -m erpgres status --format json\n"
    assert first.stderr == "making .venv with Python 3.12.0\ninstalling Python packages\n"
    assert "--no-deps --require-hashes" in (tmp_path / "pip.log").read_text()
    python.unlink()  # the environment is enough from now on, also without a network
    second = launch(checkout, "status", ERPGRES_OFFLINE="1")
    assert (second.returncode, second.stderr) == (0, "")
    assert len(installed(tmp_path)) == 1


def test_a_changed_lock_file_is_installed_again(checkout: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "python3.13", tmp_path / "pip.log")
    assert launch(checkout).returncode == 0
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    refused = launch(checkout, ERPGRES_OFFLINE="1")
    assert (refused.returncode, "ERPGRES_OFFLINE" in refused.stderr) == (2, True)
    assert launch(checkout).stderr == "installing Python packages\n"
    assert len(installed(tmp_path)) == 2


@pytest.mark.parametrize("tools", [TOOLS, (*TOOLS, "flock")], ids=["without flock", "with flock"])
def test_two_first_runs_at_once_install_once(checkout: Path, tmp_path: Path, tools: tuple[str, ...]) -> None:
    stand_in(tmp_path / "bin" / "python3.13", tmp_path / "pip.log", moment=0.5)
    both = [
        subprocess.Popen([checkout / "erpgres", "x"], env=environment(checkout, tools=tools), stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    assert len(installed(tmp_path)) == 1


def test_a_failed_installation_is_told_and_tried_again(checkout: Path, tmp_path: Path) -> None:
    python = stand_in(tmp_path / "bin" / "python3.13", tmp_path / "pip.log", pip=1)
    failed = launch(checkout)
    assert failed.returncode == 2
    assert "ERROR: no index\nerror: the Python packages could not be installed\nhint: " in failed.stderr
    stand_in(python, tmp_path / "pip.log")
    shutil.copy(python, checkout / ".venv" / "bin" / "python")
    assert launch(checkout).returncode == 0


def test_no_python_is_said_with_the_remedy(checkout: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "python3", tmp_path / "log", too_old=1)
    done = launch(checkout)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Python >= 3.12 found\nhint: install one (python3.12 ")
    named = launch(checkout, ERPGRES_PYTHON=str(tmp_path / "bin" / "python3"))
    assert (named.returncode, "ERPGRES_PYTHON is not a Python >= 3.12" in named.stderr) == (2, True)


def test_a_python_without_venv_is_said_with_its_package(checkout: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "python3", tmp_path / "log", without_venv=1)
    done = launch(checkout)
    assert (done.returncode, "apt-get install python3.12-venv" in done.stderr) == (2, True), done.stderr


def test_the_version_file_chooses_among_those_of_pyenv(checkout: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "python3", tmp_path / "other.log")
    stand_in(tmp_path / ".pyenv" / "versions" / "3.13.9" / "bin" / "python", tmp_path / "pyenv.log")
    assert launch(checkout).returncode == 0
    assert (tmp_path / "pyenv.log").exists()
    assert not (tmp_path / "other.log").exists()
