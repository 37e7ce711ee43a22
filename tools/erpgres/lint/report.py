"""Findings as text, JSON, and annotations of continuous integration."""

from __future__ import annotations

import json
from dataclasses import asdict

from erpgres.lint.finding import Finding
from erpgres.lint.runner import Result

FORMATS = ("text", "json", "ci-annotations")


def write(result: Result, form: str) -> str:
    """Return a result in one of FORMATS; text and annotations are empty when nothing was found."""
    if form == "json":
        return json.dumps({**asdict(result), "findings": [item.as_json() for item in result.findings]}, indent=2)
    if form == "ci-annotations":
        return "\n".join(_annotation(item) for item in result.findings)
    return "\n".join(_line(item) for item in result.findings)


def summary(result: Result) -> str:
    """Return one line about the run."""
    number = len(result.findings)
    exceptions = f", {result.allowed} exceptions with a reason" if result.allowed else ""
    return (
        f"{number or 'no'} finding{'' if number == 1 else 's'} in {result.files} files by {result.rules} rules"
        f"{exceptions}, {result.seconds:.1f} s"
    )


def _line(item: Finding) -> str:
    name = f"{item.object}: " if item.object and item.file else ""
    hint = f"\n    {item.hint}" if item.hint else ""
    return f"{item.place}: {item.rule}: {name}{item.detail}{hint}"


def _annotation(item: Finding) -> str:
    name = f"{item.object}: " if item.object else ""
    hint = f"\n{item.hint}" if item.hint else ""
    place = f"file={_property(item.file)},line={max(item.line, 1)}," if item.file else ""
    return f"::error {place}title={_property(item.rule)}::{_data(f'{name}{item.detail}{hint}')}"


def _data(text: str) -> str:
    """Escape the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
