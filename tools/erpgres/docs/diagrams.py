"""Diagrams as SVG: the entities of a domain and how they refer to each other, the steps between states."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from erpgres import npm
from erpgres.docs.model import ForeignKey, Model, Relation

_SHOWN = 14  # columns of a table in the diagram; the page has them all
_USUAL = ("org_id", "version", "created_at", "created_by", "updated_at", "updated_by", "search_text", "status_reason")
# Everything belongs to an organisation: these arrows would say nothing.
_EVERYWHERE = "core.organization"


def draw(graphs: Mapping[str, str]) -> dict[str, str]:
    """Return {name: SVG} for graphs in Graphviz's language. Raises CannotRun when the packages cannot be had."""
    if not graphs:
        return {}
    folder = npm.project("docs")
    answer = npm.node().run(npm.PROJECTS / "docs" / "render.mjs", str(folder), text=json.dumps(dict(graphs)))
    return {name: _embedded(svg) for name, svg in json.loads(answer).items()}


def entities(model: Model, domain: str, link: Mapping[str, str]) -> list[str]:
    """Return the graphs of a domain's tables, one for each set that hangs together, the largest first.

    `link` says where each table is described.
    """
    tables = {one.name: one for one in model.tables if one.domain == domain}
    keys = [key for one in tables.values() for key in one.foreign_keys if not _is_everywhere(key)]
    return [_graph(tables, keys, names, link) for names in _together(keys)]


def _together(keys: list[ForeignKey]) -> list[set[str]]:
    """Return the sets of tables that refer to each other, directly or through others."""
    sets: list[set[str]] = []
    for key in keys:
        touched = [one for one in sets if key.table in one or key.target in one]
        sets = [one for one in sets if one not in touched] + [{key.table, key.target}.union(*touched)]
    return sorted(sets, key=lambda names: (-len(names), min(names)))


def _graph(tables: Mapping[str, Relation], keys: list[ForeignKey], names: set[str], link: Mapping[str, str]) -> str:
    lines = ["digraph {", "  graph [rankdir=LR nodesep=0.18 ranksep=0.9 pad=0.2 bgcolor=transparent]"]
    lines += ['  node [shape=plain fontname="Helvetica" fontsize=11]', "  edge [arrowsize=0.6 arrowhead=normal]"]
    for name in sorted(names):
        if name in tables:
            lines.append(f"  {_quoted(name)} [label=<{_label(tables[name])}> {_url(name, link)}]")
        else:
            lines.append(
                f'  {_quoted(name)} [label={_quoted(name)} shape=box style="rounded,dashed" class=outside '
                f'margin="0.12,0.05" {_url(name, link)}]'
            )
    edges = set()
    for key in keys:
        if key.table in names:
            port = _port(key.columns[-1]) if key.columns[-1] in _columns(tables[key.table]) else ""
            edges.add(f"  {_quoted(key.table)}{port} -> {_quoted(key.target)} [tooltip={_quoted(key.name)}]")
    return "\n".join([*lines, *sorted(edges), "}"])


def states(model: Model, entity: str) -> str:
    """Return the graph of the steps that an entity may take; those that need a reason are dashed."""
    lines = ["digraph {", "  graph [rankdir=LR nodesep=0.3 ranksep=0.6 pad=0.15 bgcolor=transparent]"]
    lines += ['  node [shape=box style=rounded fontname="Helvetica" fontsize=11 height=0.35 margin="0.15,0.05"]']
    lines += ['  edge [arrowsize=0.6 fontname="Helvetica" fontsize=10]', '  "NEW" [shape=point width=0.12 label=""]']
    actions: dict[tuple[str, str, bool], list[str]] = {}
    for step in model.transitions:
        if step.entity == entity:
            actions.setdefault((step.from_status, step.to_status, step.needs_reason), []).append(step.action)
    for (begin, end, reason), names in actions.items():
        style = " style=dashed" if reason else ""
        lines.append(f"  {_quoted(begin)} -> {_quoted(end)} [label={_quoted(', '.join(names))}{style}]")
    return "\n".join([*lines, "}"])


def unrelated(model: Model, domain: str) -> list[str]:
    """Return the tables of a domain that the diagram leaves out: they refer to no other and none refers to them."""
    keys = [key for one in model.tables if one.domain == domain for key in one.foreign_keys if not _is_everywhere(key)]
    related = {key.table for key in keys} | {key.target for key in keys}
    return [one.name for one in model.tables if one.domain == domain and one.name not in related]


def _is_everywhere(key: ForeignKey) -> bool:
    return key.target == _EVERYWHERE and len(key.columns) == 1


def _columns(one: Relation) -> list[str]:
    """Return the columns worth showing: keys first come as they stand, what every table has is left out."""
    references = {key.columns[-1] for key in one.foreign_keys if key.target != _EVERYWHERE}
    names = [column.name for column in one.columns if column.name not in _USUAL or column.name in references]
    return names[:_SHOWN]


def _label(one: Relation) -> str:
    rows = [f'<tr><td bgcolor="#000001" align="left"><b>{one.short}</b></td></tr>']
    references = {key.columns[-1] for key in one.foreign_keys}
    shown = _columns(one)
    for name in shown:
        mark = " PK" if (name,) == one.primary_key[-1:] else " →" if name in references else ""
        rows.append(f'<tr><td port="{name}" align="left">{name}{mark}</td></tr>')
    left = len([column for column in one.columns if column.name not in _USUAL]) - len(shown)
    if left > 0:
        rows.append(f'<tr><td align="left">and {left} more</td></tr>')
    return f'<table border="1" cellborder="0" cellspacing="0" cellpadding="3">{"".join(rows)}</table>'


def _port(column: str) -> str:
    return f":{_quoted(column)}:e"


def _url(name: str, link: Mapping[str, str]) -> str:
    return f"URL={_quoted(link[name])} tooltip={_quoted(name)}" if name in link else f"tooltip={_quoted(name)}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _embedded(svg: str) -> str:
    """Strip what an SVG inside a page does not need; colours become classes, so that the page's theme decides them."""
    text = svg[svg.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
    text = text.replace('fill="#000001"', 'class="head"').replace("xlink:href", "href")
    text = re.sub(r'\s(?:fill|stroke)="(?:black|none|transparent|white)"', "", text)
    text = re.sub(r'\sfont-family="[^"]*"', "", text)
    text = re.sub(r"<title>(?:[^<]*&#45;&gt;[^<]*|%\d+)</title>\n?", "", text)
    return text.strip()
