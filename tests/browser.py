"""The fixture `browser`: Playwright's, driving headless Chromium.

Chromium is the one on the PATH (`chromium`, `chromium-browser`, `google-chrome`), else that of an npm package, pinned
in tools/node/browser and unpacked once beside the Python environment. `ERPGRES_CHROMIUM` names another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from erpgres import npm
from erpgres.errors import CannotRun

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
INSTALL = (
    "install Chromium (Debian and Ubuntu: apt-get install chromium), or name one in ERPGRES_CHROMIUM; tests of pages "
    "that are looked at in a browser need it"
)

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/cache</cachedir></fontconfig>
"""


def packed() -> Path:
    """Return the program of the npm package; beside it lie libraries and fonts to fall back on. Raises CannotRun."""
    installed = npm.project("browser")
    target = installed / "chromium"
    if not target.is_dir():
        source = installed / "node_modules" / "@sparticuz" / "chromium" / "bin"
        folder = Path(tempfile.mkdtemp(prefix=".chromium.", dir=installed))
        try:
            program = npm.node()
            for name in ("chromium", "al2023.tar", "swiftshader.tar", "fonts.tar"):
                script = npm.PROJECTS / "browser" / "decompress.mjs"
                program.run(script, str(source / f"{name}.br"), str(folder / name))
            for archive in folder.glob("*.tar"):
                with tarfile.open(archive) as tar:
                    tar.extractall(folder, filter="data")
                archive.unlink()
            (folder / "fonts.conf").write_text(FONTS.format(folder=target))
            (folder / "chromium").chmod(0o755)
            folder.chmod(0o755)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was quicker, with the same content
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return target / "chromium"


def runs(program: str, environment: dict[str, str]) -> bool:
    """Whether a browser starts here, all its libraries found."""
    try:
        done = subprocess.run([program, "--version"], env=environment, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def chromium() -> tuple[str, dict[str, str]]:
    """Return a Chromium that runs here, and the environment to start it in. Fails the test when there is none."""
    environment = dict(os.environ)
    named = os.environ.get("ERPGRES_CHROMIUM")
    if named:
        if runs(named, environment):
            return named, environment
        pytest.fail(f"ERPGRES_CHROMIUM names a browser that does not run: {named}\n{INSTALL}")
    for name in NAMES:
        found = shutil.which(name)
        if found and runs(found, environment):
            return found, environment
    try:
        program = packed()
    except CannotRun as error:
        pytest.fail(f"there is no browser, and none could be installed: {error.message}\n{INSTALL}")
    if not Path("/etc/fonts/fonts.conf").exists():
        environment["FONTCONFIG_FILE"] = str(program.parent / "fonts.conf")
    for more in ({}, {"LD_LIBRARY_PATH": str(program.parent / "lib")}):
        if runs(str(program), {**environment, **more}):
            return str(program), {**environment, **more}
    pytest.fail(f"the browser of the npm package lacks libraries of this system\n{INSTALL}")


@pytest.fixture(scope="session")
def chromium_program() -> tuple[str, dict[str, str]]:
    """The browser's program and environment, found once a run."""
    return chromium()


@contextmanager
def launched(program: tuple[str, dict[str, str]]) -> Iterator[Browser]:
    """Start a headless browser; fails the test when it does not start."""
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=program[0], args=list(FLAGS), env=dict(program[1]))
        except Error as error:
            pytest.fail(f"{program[0]} does not start: {error}\n{INSTALL}")
        yield started
        started.close()


@pytest.fixture
def browser(chromium_program: tuple[str, dict[str, str]]) -> Iterator[Browser]:
    """A headless Chromium of the test's own: `browser.new_page()`.

    One a test, because Playwright keeps an event loop in the thread: in a test beside it `asyncio.run` would fail. A
    module whose tests do not run one may have `launched` once.
    """
    with launched(chromium_program) as started:
        yield started
