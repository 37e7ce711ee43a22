"""The report of a plan as text, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from erpgres.migrate.plan.model import LAYER, Finding, Report, StatementReport, Verdict
from erpgres.migrate.plan.rates import seconds

WIDTH = 118


def write(report: Report, output: str) -> str:
    """Return the report as `text`, `markdown` or `json`."""
    if output == "json":
        return json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    return _markdown(report) if output == "markdown" else _text(report)


def summary(report: Report) -> str:
    """Return one line: what was looked at, and how it ended."""
    count = sum(1 for verdict in report.verdicts if verdict.name != LAYER)
    accepted = sum(1 for v in report.verdicts for f in v.findings if f.accepted is not None)
    parts = [f"{_count(count, 'pending migration')}"]
    parts.append(f"{len(report.refused)} refused" if report.refused else "nothing refused")
    if accepted:
        parts.append(f"{accepted} accepted")
    return ", ".join(parts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _state(verdict: Verdict) -> str:
    if verdict.refused:
        return "REFUSED"
    return "accepted" if verdict.findings else "passes"


def _cut(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _basis(report: Report) -> list[str]:
    r = report.rates
    storage = f"{r['storage_mb_per_second']} MB/s, as the live server read so far"
    if not r["storage_is_measured"]:
        storage = f"{r['storage_mb_per_second']} MB/s, assumed: the live server does not measure it (track_io_timing)"
    return [
        f"An estimate's first figure: all in memory, at what this machine did on a table of its own (scan"
        f" {r['scan_mb_per_second']} MB/s, foreign key {r['foreign_key_mb_per_second']}, rewrite"
        f" {r['rewrite_mb_per_second']}, index {r['index_mb_per_second']}, update {r['write_mb_per_second']}).",
        f"Its second: half as slow again, and all read from storage ({storage}). Sizes are the live tables'.",
        f"Requests may wait {seconds(report.budget)} (--budget).",
    ]


# Text.


def _wrap(text: str, indent: str, first: str | None = None) -> list[str]:
    wrapped = textwrap.wrap(
        text, WIDTH, initial_indent=first or indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return wrapped or [first or indent]


def _text(report: Report) -> str:
    lines = [f"Plan for the database {report.database} (PostgreSQL {report.postgres}): {summary(report)}", ""]
    for verdict in report.verdicts:
        lines += [f"{_state(verdict):<9}{verdict.name}"]
        if verdict.why:
            lines += _wrap(verdict.why, "  ")
        for finding in verdict.findings:
            lines += _finding_text(finding)
        if verdict.statements:
            lines += ["", *_statements_text(verdict)]
        long = [held for held in verdict.held if held.estimate.high >= 0.001]
        if verdict.held:
            lines.append("  requests wait")
            for held in long:
                rate = f" ({held.writes_per_second:.0f} rows written a second)" if held.writes_per_second >= 1 else ""
                lines.append(f"    {held.table}: {held.keeps_out}, {held.estimate}, from line {held.since_line}{rate}")
            rest = [held.table for held in verdict.held if held not in long]
            if rest:
                lines += _wrap(f"{', '.join(rest)}: for an instant", "      ", "    ")
        for note in verdict.notes:
            lines += _wrap(note, "    ", "  - ")
        if verdict.name == LAYER:
            lines += _layer_text(report)
        lines.append("")
    if not report.verdicts:
        lines += ["nothing to do: the database is as the tree says", ""]
    for note in [*report.notes, *(_basis(report) if report.verdicts else [])]:
        lines += _wrap(note, "  ", "* ")
    return "\n".join(lines)


def _finding_text(finding: Finding) -> list[str]:
    mark = "accepted" if finding.accepted is not None else "refused"
    place = finding.place.rpartition("/")[2].partition(" line ")[2]
    where = f"line {place}: " if place else "" if finding.place == LAYER else f"{finding.place}: "
    lines = _wrap(f"{finding.rule}: {where}{finding.message}", "    ", f"  {mark}: ")
    if finding.accepted is not None:
        lines += _wrap(f"because {finding.accepted}", "      ", "    ")
    elif finding.hint:
        lines += _wrap(f"instead: {finding.hint}", "      ", "    ")
    return lines


def _statements_text(verdict: Verdict) -> list[str]:
    lines = []
    transaction = 0
    several = len({statement.transaction for statement in verdict.statements}) > 1
    shown, rest = _telling(verdict)
    for statement in shown:
        if several and statement.transaction != transaction:
            transaction = statement.transaction
            lines.append("  -- a transaction of its own")
        lines.append(f"  {statement.line:>4}  {_cut(statement.text, WIDTH - 8)}")
        lines += _wrap(_does(statement), "          ", "        ")
    return [*lines, f"        {rest}"] if rest else lines


def _telling(verdict: Verdict) -> tuple[list[StatementReport], str]:
    """Return the statements that lock or work, and a line on the rest."""
    shown = [each for each in verdict.statements if each.locks or each.why]
    count = len(verdict.statements) - len(shown)
    if not count:
        return shown, ""
    more = f"{count} more" if shown else _count(count, "statement")
    return shown, f"{more}: on what is new, or on tables that are locked already; at once"


def _does(statement: StatementReport) -> str:
    parts = []
    for lock in statement.locks:
        out = f" (keeps out {lock.keeps_out})" if lock.keeps_out else ""
        parts.append(f"{lock.mode} on {_few(lock.tables)}{out}")
        parts += [f"would wait now for {who}" for who in lock.waits_for]
    if not statement.locks:
        parts.append("no new lock")
    parts.append(f"{statement.why}: {statement.estimate}" if statement.why else "at once")
    return "; ".join(parts)


def _few(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _layer_text(report: Report) -> list[str]:
    lines = []
    for label, names in (
        ("made anew", report.repeatable), ("dropped", report.dropped), ("reference data", report.reference),
    ):  # fmt: skip
        if names:
            lines += _wrap(f"{label}: {_few(names, 12)}", "    ", "  - ")
    for label, changes in (("API", report.contract), ("access", report.access), ("hot query", report.queries)):
        for change in _grouped(changes):
            lines += _wrap(f"{label}: {_change(change)}", "    ", "  - ")
    if report.hot_queries and not report.queries:
        lines.append(f"  - {_count(report.hot_queries, 'hot query').replace('querys', 'queries')}: same plans")
    return lines


def _grouped(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return changes with one line for all objects that the same is said of."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for change in changes:
        groups.setdefault(tuple(value for key, value in change.items() if key != "what"), []).append(change)
    return [
        {**group[0], "what": _few([change["what"] for change in group], 4)} if "what" in group[0] else group[0]
        for group in groups.values()
    ]


def _change(change: dict[str, Any]) -> str:
    if "breaking" in change:
        return f"{change['what']} {change['message']}{' (breaking)' if change['breaking'] else ''}"
    if "effect" in change:
        return f"{change['what']}: {change['message']} ({change['effect']})"
    return f"{change['query']}: {change['message']}"


# Markdown.


def _markdown(report: Report) -> str:
    sign = "❌" if report.refused else "✅"
    lines = [f"## {sign} Migration plan: {summary(report)}", ""]
    if report.verdicts:
        lines += ["| | migration | longest wait of a request | findings |", "|---|---|---|---|"]
        for verdict in report.verdicts:
            mark = {"REFUSED": "❌", "accepted": "☑️", "passes": "✅"}[_state(verdict)]
            rules = ", ".join(dict.fromkeys(f"`{f.rule}`" for f in verdict.findings)) or "none"
            lines.append(f"| {mark} | `{verdict.name}` | {_longest(report, verdict)} | {rules} |")
        lines.append("")
    else:
        lines += ["Nothing to do: the database is as the tree says.", ""]
    for verdict in report.verdicts:
        lines += _verdict_markdown(report, verdict)
    lines += _changes_markdown("API", "what", report.contract)
    lines += _changes_markdown("Access", "what", report.access)
    lines += _changes_markdown("Hot queries", "query", report.queries)
    if report.repeatable or report.dropped or report.reference:
        lines += ["<details><summary>Repeatable objects</summary>", ""]
        for label, names in (
            ("made anew", report.repeatable), ("dropped", report.dropped), ("reference data", report.reference),
        ):  # fmt: skip
            if names:
                lines.append(f"- {label}: {', '.join(f'`{name}`' for name in names)}")
        lines += ["", "</details>", ""]
    if report.verdicts:
        lines += ["<details><summary>How this was measured</summary>", ""]
        lines += [
            f"Applied to a clone of the schema of `{report.database}` (PostgreSQL {report.postgres}), each statement"
            " watched.", "", *(f"- {_md(note)}" for note in [*_basis(report), *report.notes]), "", "</details>", "",
        ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _longest(report: Report, verdict: Verdict) -> str:
    if verdict.name == LAYER:
        return seconds(report.api_away) if report.api_away else "none"
    if not verdict.held:
        return "none"
    first = verdict.held[0]
    return f"{first.estimate} ({_md(first.table)})" if first.estimate.high >= 0.001 else "an instant"


def _verdict_markdown(report: Report, verdict: Verdict) -> list[str]:
    lines = [f"### {verdict.name}", ""]
    if verdict.why:
        lines += [f"*{_md(verdict.why)}*", ""]
    for finding in verdict.findings:
        mark = "☑️ accepted" if finding.accepted is not None else "❌"
        place = finding.place.rpartition(" line ")[2] if " line " in finding.place else ""
        where = f"line {place}: " if place else "" if finding.place == LAYER else f"`{finding.place}`: "
        lines.append(f"- {mark} **{finding.rule}** {where}{_md(finding.message)}")
        if finding.accepted is not None:
            lines.append(f"  <br>because {_md(finding.accepted)}")
        elif finding.hint:
            lines.append(f"  <br>instead: {_md(finding.hint)}")
    if verdict.findings:
        lines.append("")
    if verdict.statements:
        lines += ["| line | statement | locks | estimate |", "|---:|---|---|---|"]
        shown, rest = _telling(verdict)
        for statement in shown:
            locks = "<br>".join(f"{lock.mode}: {_md(_few(lock.tables))}" for lock in statement.locks) or "none new"
            waits = "".join(f"<br>waits now for {_md(who)}" for lock in statement.locks for who in lock.waits_for)
            what = f"{_md(statement.why)}: {statement.estimate}" if statement.why else "at once"
            text = _cut(statement.text, 70).replace("|", "\\|").replace("`", "'")
            lines.append(f"| {statement.line} | `{text}` | {locks}{waits} | {what} |")
        if rest:
            lines.append(f"| | {rest} | | |")
        lines.append("")
    for note in verdict.notes:
        lines.append(f"- {_md(note)}")
    if verdict.notes:
        lines.append("")
    return lines


def _changes_markdown(title: str, key: str, changes: list[dict[str, Any]]) -> list[str]:
    if not changes:
        return []
    lines = [f"### {title}", ""]
    for change in _grouped(changes):
        effect = change.get("effect") or ("breaking" if change.get("breaking") else "")
        mark = f" **{effect}**" if effect in ("breaking", "widened") else f" ({effect})" if effect else ""
        lines.append(f"- `{change[key]}` {_md(change['message'])}{mark}")
    return [*lines, ""]


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
