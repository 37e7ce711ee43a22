"""The error catalogue and how errors reach the client."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

from erpgres.settings import ROOT


def raised(db: Any, code: str, details: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raise an error; return body and status line as PostgREST reads them."""
    with pytest.raises(psycopg.Error) as caught:
        db.execute("select core.raise_error(%s, %s)", [code, json.dumps(details)])
    assert caught.value.sqlstate == "PGRST"
    message, detail = caught.value.diag.message_primary, caught.value.diag.message_detail
    assert message is not None
    assert detail is not None
    return json.loads(message), json.loads(detail)


def test_placeholders_are_filled(db: Any) -> None:
    body, status = raised(db, "core.not_found", {"entity": "item", "id": 7})
    assert body["message"] == "There is no item 7"
    assert json.loads(body["details"]) == {"entity": "item", "id": 7}
    assert status == {"status": 404, "headers": {}}


def test_details_are_absent_when_there_are_none(db: Any) -> None:
    assert raised(db, "core.user_inactive", {})[0]["details"] is None


def test_an_unknown_code_is_said_so(db: Any) -> None:
    body, status = raised(db, "core.never_heard_of", {})
    assert (body["code"], status["status"]) == ("core.unknown_error", 500)
    assert "core.never_heard_of" in body["message"]


def test_every_code_raised_is_in_the_catalogue_and_every_one_there_is_raised(db: Any) -> None:
    known = {row[0] for row in db.execute("select code from core.error")}
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "functions").rglob("*.sql")))
    assert set(re.findall(r"raise_error\(\s*'([a-z]+\.[a-z_0-9]+)'", text)) - known == set()
    assert {code for code in known if f"'{code}'" not in text} == set()


def test_every_permission_used_exists_and_every_one_there_is_used(db: Any) -> None:
    known = {row[0] for row in db.execute("select code from core.permission")}
    used = {row[0] for row in db.execute("select permission from core.transition where permission is not null")}
    used |= {row[0] for row in db.execute("select permission from core.approval_default")}
    for folder in ("functions", "policies"):
        for path in sorted((ROOT / folder).rglob("*.sql")):
            text = path.read_text(encoding="utf-8")
            asks = r"(?:has_permission|require_permission|require_over_user|permitted_units)\(\s*'([a-z_.]+)'"
            used |= set(re.findall(asks, text))
    assert used - known == set()
    assert known - used == set()


def test_the_request_id_names_the_session(org: Any, acting: Any) -> None:
    user_id = org.user()
    with acting(org, user_id, sid=org.claims(user_id)["sid"]) as session:
        session.execute("select set_config('request.headers', '{\"x-request-id\": \"req-77\"}', true)")
        session.execute("select core.pre_request()")
        assert session.execute("show application_name").fetchone() == ("req-77",)
        session.rollback()
        assert session.execute("show application_name").fetchone() != ("req-77",)
