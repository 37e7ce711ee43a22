"""People with SQL access are bound to an organisation by their login, whatever they set."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql


@pytest.fixture
def analyst(stack: Any, org: Any, db: Any) -> Iterator[psycopg.Connection[Any]]:
    """A session of a login in the group analyst that is bound to `org`."""
    login = f"analyst_{uuid.uuid4().hex[:12]}"
    name = sql.Identifier(login)
    with psycopg.connect(stack.dsn("postgres"), autocommit=True) as admin:
        password = uuid.uuid4().hex
        admin.execute(sql.SQL("create role {} login in role analyst password {}").format(name, password))
        try:
            db.execute("insert into core.analyst_login (login, org_id) values (%s, %s)", [login, org.id])
            dsn = psycopg.conninfo.make_conninfo(stack.dsn("migrator"), user=login, password=password)
            with psycopg.connect(dsn, autocommit=True) as connection:
                yield connection
        finally:
            db.execute("delete from core.analyst_login where login = %s", [login])
            admin.execute(sql.SQL("drop role {}").format(name))


def test_a_claim_does_not_widen_what_an_analyst_sees(
    analyst: psycopg.Connection[Any], org: Any, new_org: Any, api: Any, make: Any
) -> None:
    other = new_org()
    for each in (org, other):
        make(api(each.admin_token), "partners", code="P", name="P")
    claims = {"role": "member", "org_id": str(other.id), "sub": str(other.users["admin"])}
    for _ in range(2):
        seen = analyst.execute("select distinct org_id from core.partner").fetchall()
        assert seen == [(org.id,)]
        assert analyst.execute("select id from core.organization").fetchall() == [(org.id,)]
        analyst.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])


@pytest.mark.parametrize("table", ["app_user", "membership", "contact", "setting", "user_role"])
def test_an_analyst_does_not_read_persons_and_settings(analyst: psycopg.Connection[Any], table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        analyst.execute(sql.SQL("select * from core.{}").format(sql.Identifier(table)))


def test_an_analyst_writes_nothing_and_becomes_nobody(analyst: psycopg.Connection[Any], org: Any) -> None:
    analyst.execute("set default_transaction_read_only = off")
    for statement in (
        "update core.partner set name = 'X'",
        "delete from core.exchange_rate",
        "insert into core.item (sku, name, class, unit_code) values ('X', 'X', 'GOODS', 'H87')",
        "set role member",
        "set role owner",
        "select api.me()",
        "select core.next_number('core.x', uuidv7())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst.execute(statement)


def test_a_login_that_is_not_bound_sees_nothing(analyst: psycopg.Connection[Any], db: Any) -> None:
    db.execute(
        "delete from core.analyst_login where login = %s", [analyst.execute("select session_user").fetchone()[0]]
    )
    assert analyst.execute("select count(*) from core.item").fetchone() == (0,)
    assert analyst.execute("select count(*) from core.organization").fetchone() == (0,)
    assert analyst.execute("select count(*) from core.country").fetchone() == (249,)
