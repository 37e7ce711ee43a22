"""sqlfluff on everything that can still change: its rules are called sqlfluff.<code>; see .sqlfluff.

It needs a second a file, so files go to processes side by side, and what was found is kept by the hash of the file, the
configuration and sqlfluff's version.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path

from erpgres.lint.finding import Finding
from erpgres.lint.source import Source
from erpgres.stack import machine

FAMILY = "sqlfluff"
CONFIG = ".sqlfluff"
Row = tuple[int, str, str]


def check(sources: list[Source], root: Path, cache: Path | None) -> list[Finding]:
    """Judge the style of files; `cache` is a folder for what was found, or None to look at everything anew."""
    config = (root / CONFIG).read_text(encoding="utf-8")
    salt = f"{metadata.version('sqlfluff')}\n{config}\n"
    found: dict[str, list[Row]] = {}
    keys = {source.shown: hashlib.sha256((salt + source.text).encode()).hexdigest() for source in sources}
    missing = []
    for source in sources:
        rows = _cached(cache, keys[source.shown])
        if rows is None:
            missing.append(source)
        else:
            found[source.shown] = rows
    missing.sort(key=lambda source: -len(source.text))
    for source, rows in zip(missing, _lint([source.text for source in missing], config), strict=True):
        found[source.shown] = rows
        _keep(cache, keys[source.shown], rows)
    return [
        Finding(source.shown, line, f"{FAMILY}.{code}", "", text, f"sqlfluff rule {code}")
        for source in sources
        for line, code, text in found[source.shown]
    ]


def _lint(texts: list[str], config: str) -> list[list[Row]]:
    workers = min(machine.cores(), len(texts))
    if workers < 2:
        return [_one(text, config) for text in texts]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_one, texts, [config] * len(texts)))


def _one(text: str, config: str) -> list[Row]:
    """Lint one text, in a process of the pool."""
    from sqlfluff.core import FluffConfig, Linter

    gc.set_threshold(200_000)  # parse trees are full of cycles, and each file leaves little
    logging.getLogger("sqlfluff").setLevel(logging.ERROR)
    linted = Linter(config=FluffConfig.from_string(config)).lint_string(text)
    found = linted.get_violations()
    return sorted({(item.line_no, item.rule_code(), item.desc().splitlines()[0].rstrip(".")) for item in found})


def _cached(cache: Path | None, key: str) -> list[Row] | None:
    if cache is None:
        return None
    try:
        return [(line, code, text) for line, code, text in json.loads((cache / FAMILY / key).read_text())]
    except (OSError, ValueError):
        return None


def _keep(cache: Path | None, key: str, rows: list[Row]) -> None:
    if cache is None:
        return
    (cache / FAMILY).mkdir(parents=True, exist_ok=True)
    temporary = cache / FAMILY / f".{key}"
    temporary.write_text(json.dumps(rows))
    temporary.replace(cache / FAMILY / key)
