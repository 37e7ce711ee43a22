"""Indexes have names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import ANALYTICS, MIGRATION, Source


class IndexNamed(Rule):
    """an index is called <table>_<columns>_idx, a unique one by its rule

    A plan, a lock and a bloat report then say which table they are about. A unique index is a rule, and its name is
    what users read: one_open_request_per_crate.
    """

    kinds = (MIGRATION, ANALYTICS)
    hint = "create index document_status_idx on wms.document (…)"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at CREATE INDEX."""
        for node, line, _ in source.spans:
            if not isinstance(node, ast.IndexStmt):
                continue
            name = node.idxname or ""
            if not name:
                yield Problem(line, "an index without a name")
            elif node.unique:
                if re.search(r"_(idx|index|key)\d*$", name):
                    yield Problem(line, f"the unique index {name} does not say its rule", name)
            elif not (name.startswith(f"{node.relation.relname}_") and name.endswith("_idx")):
                yield Problem(line, f"{name} is not {node.relation.relname}_<columns>_idx", name)
