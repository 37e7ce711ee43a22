"""Shared libraries that the unpacked programs need and this system lacks, with the packages that have them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Debian and Ubuntu names; what is not listed is a part of the C library or comes with one of these.
PACKAGES = {
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "libxml2.so.2": "libxml2",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "liblz4.so.1": "liblz4-1",
    "libzstd.so.1": "libzstd1",
    "libz.so.1": "zlib1g",
    "libkrb5.so.3": "libkrb5-3",
    "libk5crypto.so.3": "libk5crypto3",
    "libcom_err.so.2": "libcom-err2",
    "liblzma.so.5": "liblzma5",
    "libreadline.so.8": "libreadline8",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libuuid.so.1": "libuuid1",
}


@dataclass(frozen=True)
class Missing:
    """A shared library that is not there, and the Debian package that has it (None if unknown)."""

    library: str
    package: str | None


def missing(bindir: Path) -> list[Missing]:
    """Return the libraries that PostgreSQL's programs and extensions lack; empty when they can run."""
    programs = [bindir / name for name in ("postgres", "initdb", "psql", "pg_dump", "pg_basebackup")]
    programs += [
        library
        for name in ("pgcrypto.so", "btree_gist.so", "pg_stat_statements.so", "libpqwalreceiver.so")
        for library in (bindir.parent / "lib").rglob(name)
    ]
    names: set[str] = set()
    if shutil.which("ldd"):
        answer = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
        names.update(re.findall(r"^\s*(\S+) => not found", answer.stdout, re.MULTILINE))
    else:
        for program in programs[:5]:
            answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
            names.update(re.findall(r"loading shared libraries: (\S+):", answer.stderr))
    return [Missing(name, PACKAGES.get(name)) for name in sorted(names)]


def advice(lacking: list[Missing]) -> str:
    """Return one line that says how to install them on Debian or Ubuntu."""
    packages = sorted({entry.package for entry in lacking if entry.package})
    if not packages:
        return "install the package of your system that has them"
    return f"on Debian or Ubuntu: apt-get install {' '.join(packages)} (newer releases add t64 to some of the names)"
