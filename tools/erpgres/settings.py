"""What the project says of itself: where it lies, its version and its domains."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

with (ROOT / "pyproject.toml").open("rb") as _file:
    _PROJECT = tomllib.load(_file)

VERSION: str = _PROJECT["project"]["version"]
DOMAINS: list[str] = _PROJECT["tool"]["erpgres"]["domains"]
