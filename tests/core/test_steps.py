"""What a step of core.transition may ask for: the right in the unit of the row, another person, a signature."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg.conninfo
import pytest

PROBE = """
create table core.probe (
  org_id uuid not null, id uuid not null default uuidv7(), status text not null default 'OPEN', status_reason text,
  unit_id uuid, target_unit_id uuid, asked_by uuid, seen_by uuid[]
);
alter table core.probe owner to owner;
create trigger guard_status before insert or update of status on core.probe
for each row execute function core.tg_row__guard_status('core.probe');
grant select, insert, update on core.probe to member, migrator;
insert into core.transition (entity, from_status, to_status, action, permission, other_than, unit_column) values
  ('core.probe', 'NEW', 'OPEN', 'create', null, null, 'unit_id'),
  ('core.probe', 'OPEN', 'DONE', 'do', 'core.partner.hold', '{asked_by,seen_by}', 'unit_id'),
  ('core.probe', 'OPEN', 'SENT', 'send', 'core.partner.hold', null, 'target_unit_id'),
  ('core.probe', 'OPEN', 'LOST', 'lose', null, '{no_such_column}', 'unit_id'),
  ('core.probe', 'OPEN', 'KEPT', 'keep', 'core.partner.hold', '{}', 'unit_id');
insert into core.transition (entity, from_status, to_status, action, needs_reason)
values ('core.probe', 'OPEN', 'SHUT', 'shut', true);
"""


class Probe:
    """A table with such steps in a database of its own, one organisation with two units, and users of theirs."""

    def __init__(self, superuser: str, tools: str) -> None:
        self.superuser, self.tools = superuser, tools
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(PROBE)
        with psycopg.connect(tools, autocommit=True) as connection:
            self.org = self.one(connection, "select core.create_organization('PROBE', 'P', 'BD', 'USD')")
            self.north, self.south = (
                self.one(
                    connection,
                    "insert into core.org_unit (org_id, kind, code, name) values (%s, 'UNIT', %s, 'U') returning id",
                    self.org, code,
                )
                for code in "NS"
            )  # fmt: skip

    @staticmethod
    def one(connection: Any, query: str, *values: Any) -> Any:
        return connection.execute(query, values).fetchone()[0]

    def user(self, unit: Any) -> uuid.UUID:
        """A user who holds the permission in a unit; None: everywhere."""
        tag = uuid.uuid4().hex
        with psycopg.connect(self.tools, autocommit=True) as connection:
            new_user = "insert into core.app_user (email, name, kind) values (%s, 'U', 'INTERNAL') returning id"
            user: uuid.UUID = self.one(connection, new_user, f"{tag}@example.com")
            connection.execute(
                "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [self.org, user]
            )
            role = self.one(
                connection, "insert into core.role (org_id, code, name) values (%s, %s, 'R') returning id",
                self.org, f"r_{tag}",
            )  # fmt: skip
            connection.execute(
                "insert into core.role_permission (org_id, role_id, permission) values (%s, %s, 'core.partner.hold')",
                [self.org, role],
            )
            connection.execute(
                "insert into core.user_role (org_id, user_id, role_id, unit_id) values (%s, %s, %s, %s)",
                [self.org, user, role, unit],
            )
        return user

    @contextmanager
    def acting(self, user: uuid.UUID | None) -> Iterator[Any]:
        with psycopg.connect(self.tools, autocommit=True) as connection:
            if user:
                claims = json.dumps({"role": "member", "sub": str(user), "org_id": str(self.org)})
                connection.execute("select set_config('request.jwt.claims', %s, false)", [claims])
                connection.execute("set role member")
            yield connection

    def row(self, **values: Any) -> uuid.UUID:
        names = ", ".join(["org_id", *values])
        with psycopg.connect(self.tools, autocommit=True) as connection:
            made: uuid.UUID = self.one(
                connection,
                f"insert into core.probe ({names}) values ({', '.join(['%s'] * (len(values) + 1))}) returning id",
                self.org, *values.values(),
            )  # fmt: skip
        return made

    def step(self, user: uuid.UUID | None, row: uuid.UUID, status: str, **values: Any) -> str:
        """Take a step; return the new status or the code of the refusal."""
        columns = "".join(f", {name} = %s" for name in values)
        update = f"update core.probe set status = %s{columns} where id = %s returning status"
        with self.acting(user) as connection:
            try:
                return str(self.one(connection, update, status, *values.values(), row))
            except psycopg.Error as error:
                message = str(error.diag.message_primary)
                return str(json.loads(message)["code"]) if message.startswith("{") else message


@pytest.fixture
def probe(clone: str, stack: Any) -> Probe:
    return Probe(clone, stack.dsn("migrator", psycopg.conninfo.conninfo_to_dict(clone)["dbname"]))


def test_the_right_is_asked_for_in_the_unit_of_the_row(probe: Probe) -> None:
    north, everywhere = probe.user(probe.north), probe.user(None)
    assert probe.step(north, probe.row(unit_id=probe.south), "DONE") == "core.permission_missing"
    assert probe.step(north, probe.row(), "DONE") == "core.permission_missing", "a row of no unit: held everywhere"
    assert probe.step(north, probe.row(unit_id=probe.north), "DONE") == "DONE"
    assert probe.step(everywhere, probe.row(unit_id=probe.south), "DONE") == "DONE"
    assert probe.step(everywhere, probe.row(), "DONE") == "DONE"
    # Nobody draws a row into his own unit and takes the step at once.
    taken = probe.row(unit_id=probe.south)
    assert probe.step(north, taken, "DONE", unit_id=probe.north) == "core.permission_missing"


def test_the_unit_may_be_another_column(probe: Probe) -> None:
    north = probe.user(probe.north)
    assert probe.step(north, probe.row(unit_id=probe.north, target_unit_id=probe.south), "SENT") == (
        "core.permission_missing"
    )
    assert probe.step(north, probe.row(unit_id=probe.south, target_unit_id=probe.north), "SENT") == "SENT"


def test_a_step_takes_another_person(probe: Probe) -> None:
    me, other = probe.user(None), probe.user(None)
    assert probe.step(me, probe.row(asked_by=me), "DONE") == "core.same_person"
    assert probe.step(me, probe.row(seen_by=[other, me]), "DONE") == "core.same_person"
    assert probe.step(me, probe.row(asked_by=other, seen_by=[other]), "DONE") == "DONE"
    assert probe.step(me, probe.row(), "DONE") == "DONE", "nobody was there before"
    # Who took the earlier step is read before the change: writing another name beside it helps nobody.
    assert probe.step(me, probe.row(asked_by=me), "DONE", asked_by=other) == "core.same_person"
    assert probe.step(None, probe.row(asked_by=me), "DONE") == "DONE", "the tools are nobody"


def test_a_step_that_names_a_column_that_is_not_there_stops(probe: Probe) -> None:
    assert probe.step(None, probe.row(), "LOST") == "core.transition: core.probe has no column no_such_column"


def test_a_step_without_a_permission_is_for_the_function_that_takes_it(probe: Probe) -> None:
    with probe.acting(probe.user(probe.north)) as connection:
        assert probe.one(
            connection, "insert into core.probe (org_id) values (%s) returning status", probe.org
        ) == "OPEN"  # fmt: skip


def refusal(session: Any, query: str, *values: Any) -> str:
    with pytest.raises(psycopg.Error) as caught, session.transaction():
        session.execute(query, values)
    return str(json.loads(str(caught.value.diag.message_primary))["code"])


def test_a_step_is_remembered_for_the_same_claims_and_states_only(probe: Probe) -> None:
    """What was allowed for one row is believed for the next: of the same step, by the same user, in one transaction."""
    keep = "update core.probe set status = 'KEPT' where id = any (%s)"
    everywhere, nobody = probe.user(None), probe.user(probe.north)
    rows, done = [probe.row() for _ in range(4)], probe.row(status="OPEN")
    assert probe.step(None, done, "DONE") == "DONE"
    with probe.acting(everywhere) as session, session.transaction():
        session.execute("select core.require_permission_once('core.partner.hold')")
        assert session.execute(keep, [rows[:2]]).rowcount == 2
        assert session.execute(keep, [rows[2:3]]).rowcount == 1, "in another statement"
        assert refusal(session, keep, [rows[3], done]) == "core.transition_refused"
        claims = json.dumps({"role": "member", "sub": str(nobody), "org_id": str(probe.org)})
        session.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        assert refusal(session, keep, [rows[3]]) == "core.permission_missing"
    with probe.acting(nobody) as session:
        assert refusal(session, keep, [rows[3]]) == "core.permission_missing"


def test_a_step_that_asks_something_of_the_row_is_not_remembered(probe: Probe) -> None:
    with_reason, without = probe.row(status_reason="old"), probe.row()
    shut = "update core.probe set status = 'SHUT' where id = any (%s)"
    with probe.acting(None) as session, session.transaction():
        assert session.execute(shut, [[with_reason]]).rowcount == 1
        assert refusal(session, shut, [without]) == "core.reason_missing"


def test_what_is_remembered_cannot_be_made_up(probe: Probe) -> None:
    """Only the logins of the API and the tools are believed, where nobody but their functions sets anything."""
    row = probe.row()
    update = "update core.probe set status = 'MADE_UP' where id = %s"
    for login, is_believed in ((probe.superuser, False), (probe.tools, True)):
        with psycopg.connect(login, autocommit=True) as session:
            session.execute("select set_config('erpgres.allowed_step', 'core.probe OPEN MADE_UP none', false)")
            if is_believed:
                assert session.execute(update, [row]).rowcount == 1
            else:
                assert refusal(session, update, row) == "core.transition_refused"


@pytest.mark.parametrize("kind", ["other_than", "unit_column"])
def test_every_column_that_a_step_names_is_there(db: Any, kind: str) -> None:
    columns = "unnest(t.other_than)" if kind == "other_than" else "nullif(t.unit_column, 'unit_id')"
    missing = db.execute(
        f"select distinct t.entity, c.name from core.transition t cross join lateral (select {columns} as name) c "
        "where c.name is not null and not exists (select from pg_attribute a "
        "join pg_trigger g on g.tgrelid = a.attrelid and g.tgargs = convert_to(t.entity, 'UTF8') || '\\x00' "
        "where g.tgfoid = 'core.tg_row__guard_status'::regproc and a.attname = c.name and not a.attisdropped)"
    ).fetchall()
    assert missing == []
