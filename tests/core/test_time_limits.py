"""How long a request may take, by role."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg

from erpgres.stack.state import State


def limits(db: psycopg.Connection[Any], role: str) -> dict[str, str]:
    rows = db.execute(
        "select c.setting from pg_db_role_setting s, unnest(s.setconfig) as c (setting)"
        " where s.setrole = %s::regrole and s.setdatabase = 0 and c.setting ~ '^[a-z_]+_timeout='",
        [role],
    ).fetchall()
    return dict(setting.split("=") for (setting,) in rows)


def waited_for_a_row(stack: State, send: Callable[[], httpx.Response], statement: str, row: str) -> float:
    """Return for how long a request waited for a row that somebody holds, and gave up."""
    with psycopg.connect(stack.dsn("postgres", stack.database)) as holder:
        assert holder.execute(statement, [row]).rowcount == 1
        began = time.monotonic()
        answer = send()
        assert (answer.status_code, answer.json()["code"]) == (500, "gateway.busy"), answer.text
        return time.monotonic() - began


def test_members_have_the_limits_of_the_session_that_serves_them(db: psycopg.Connection[Any]) -> None:
    own = limits(db, "authenticator")
    assert own.keys() == {
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
    }  # fmt: skip
    assert [limits(db, role) for role in ("partner", "member", "superadmin")] == [own] * 3
    assert limits(db, "anon").keys() == own.keys()


def test_who_is_nobody_yet_waits_for_less_than_a_member(
    stack: State,
    api: Callable[..., httpx.Client],
    call: Callable[..., httpx.Response],
    org: Any,
    person: Any,
    make: Any,
) -> None:
    who = person()
    wrong = {"email": who.email, "password": "guessing"}
    assert call("sign_in", **wrong).status_code == 401
    failure = "select from core.sign_in_failure where subject = core.account_subject(%s) for update"
    nobody = waited_for_a_row(stack, lambda: call("sign_in", **wrong), failure, who.email)
    admin = api(org.admin_token)
    partner = make(admin, "partners", code="P", name="Partner")["id"]
    member = waited_for_a_row(
        stack,
        lambda: admin.patch(f"partners?id=eq.{partner}", json={"note": "Seen"}),
        "select from core.partner where id = %s for update",
        partner,
    )
    assert 2 <= nobody < 4 and 5 <= member < 8, "as sql/cluster/00_roles.sql says"
