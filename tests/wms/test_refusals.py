"""Every function of the warehouse refuses somebody: who lacks the right that its comment names, or a partner's user."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from wms.support import World, refused

# What a partner's user may call as well, and how it is refused then.
OPEN = {
    "wms_document_list": ({"page_size": 0}, 422, "wms.page_size"),
}
DUMMY: dict[str, Any] = {
    "uuid": str(uuid.UUID(int=1)), "text": "x", "numeric": 1, "integer": 1, "jsonb": [], "date": "2026-01-01",
    "boolean": True, "uuid[]": [str(uuid.UUID(int=1))], "timestamp with time zone": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.fixture
def functions(db: Any) -> dict[str, tuple[dict[str, Any], str | None, bool]]:
    """By name: arguments of the right types, the right that the comment names, whether a partner's user may call it."""
    rows = db.execute(
        """
        select p.proname, coalesce(p.proargnames, '{}'),
          string_to_array(pg_get_function_identity_arguments(p.oid), ', '),
          obj_description(p.oid), has_function_privilege('partner', p.oid, 'execute'), p.pronargs
        from pg_proc as p
        where p.pronamespace = 'api'::regnamespace and starts_with(p.proname, 'wms_')
        """
    ).fetchall()
    found = {}
    for name, names, arguments, comment, is_open, count in rows:
        types = [argument.split(" ", 1)[1] for argument in arguments]
        right = re.search(r"Needs\s+(wms\.[a-z_.]+[a-z])", comment)
        given = {key: DUMMY[kind] for key, kind in zip(names[:count], types, strict=True)}
        found[name] = (given, right and right[1], is_open)
    assert len(found) > 50
    return found


def test_a_right_that_a_comment_names_is_asked_for(world: World, api: Any, functions: Any) -> None:
    """Before anything else: who lacks it learns nothing of what is there."""
    nobody = api(world.org.token())
    asked = {name: (given, right) for name, (given, right, _) in functions.items() if right}
    assert len(asked) > 35
    for name, (given, right) in asked.items():
        details = refused(world.call(name, nobody, **given), 403, "core.permission_missing")
        assert details["permission"] == right, name


def test_who_belongs_to_a_partner_is_refused(world: World, api: Any, functions: Any) -> None:
    partner = api(world.org.token(partner_id=world.partner()))
    for name, (given, _, is_open) in functions.items():
        if is_open:
            arguments, status, code = OPEN[name]
            refused(world.call(name, partner, **arguments), status, code)
        else:
            refused(world.call(name, partner, **given), 403, "42501")
