"""The relay: who hears what, from where on, and who is refused or cut off."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from erpgres.relay.hub import CONNECTIONS_OF_A_USER
from erpgres.stack import relay
from erpgres.stack.state import State
from erpgres.tokens import sign
from events.relay_client import Listener, dial, listening, streaming
from events.support import settled

Row = dict[str, Any]
NIL = uuid.UUID(int=0)


@pytest.fixture
def partner(db: psycopg.Connection[Any]) -> Callable[..., uuid.UUID]:
    """Make a partner, which everybody in the organisation sees: `partner(org)`."""

    def make(org: Any, name: str = "Somebody") -> uuid.UUID:
        row = db.execute(
            "insert into core.partner (org_id, code, name) values (%s, %s, %s) returning id",
            [org.id, uuid.uuid4().hex[:12].upper(), name],
        ).fetchone()
        assert row is not None
        return uuid.UUID(str(row[0]))

    return make


@pytest.fixture
def key(db: psycopg.Connection[Any]) -> Callable[..., uuid.UUID]:
    """Make an API key, whose events are for those with core.api_key.read: `key(org)`."""

    def make(org: Any) -> uuid.UUID:
        row = db.execute(
            "insert into core.api_key (org_id, user_id, name, prefix, key_hash, permissions, expires_at) "
            "values (%s, %s, 'Scanner', 'erk_x', %s, '{}', now() + interval '1 day') returning id",
            [org.id, org.user(), uuid.uuid4().bytes * 2],
        ).fetchone()
        assert row is not None
        return uuid.UUID(str(row[0]))

    return make


@pytest.fixture
def stay() -> Iterator[ExitStack]:
    """Keeps listeners open until the test ends."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def silent(stack: State) -> Iterator[Listener]:
    """A connection that never says a word; it is asked about at the end."""
    with dial(stack) as listener:
        yield listener


def about(entity_id: uuid.UUID) -> Callable[[list[Row]], bool]:
    return lambda events: any(event["entity_id"] == str(entity_id) for event in events)


def ids(events: list[Row], entity: str | None = None) -> list[str]:
    return [event["entity_id"] for event in events if entity in (None, event["entity"])]


# ---- who hears what ---------------------------------------------------------------------------------------------


def test_each_hears_what_row_level_security_shows(
    stack: State, new_org: Any, partner: Any, key: Any, stay: ExitStack
) -> None:
    ours, other = new_org(), new_org()
    mine, theirs = partner(ours), partner(ours)

    def listen(token: str) -> Listener:
        for org in (ours, other):  # the user of the token is news, too
            settled(org.db, org.id)
        return stay.enter_context(listening(stack, token))

    clerk = listen(ours.token())
    auditor = listen(ours.token(["core.api_key.read"]))
    customer = listen(ours.token(partner_id=mine))
    stranger = listen(other.token(["core.api_key.read"]))
    made: dict[uuid.UUID, list[str]] = {mine: [], theirs: []}
    for partner_id in (mine, theirs, mine, theirs):
        row = ours.db.execute(
            "insert into core.contact (org_id, partner_id, name, phone) values (%s, %s, 'C', '1') returning id::text",
            [ours.id, partner_id],
        ).fetchone()
        made[partner_id].append(row[0])
    secret = key(ours)
    last, elsewhere = partner(ours), partner(other)
    ours.db.execute("update core.contact set name = 'D' where id = %s", [made[mine][0]])

    clerk.until(about(last)), auditor.until(about(last)), stranger.until(about(elsewhere))
    customer.until(lambda events: len(events) == 3)
    everything = [made[mine][0], made[theirs][0], made[mine][1], made[theirs][1]]
    assert ids(clerk.events, "contact")[:4] == ids(auditor.events, "contact")[:4] == everything
    assert (ids(clerk.events, "api_key"), ids(auditor.events, "api_key")) == ([], [str(secret)])
    assert ids(customer.events) == [*made[mine], made[mine][0]]
    assert ids(stranger.events) == [str(elsewhere)]
    assert "key_hash" not in json.dumps(auditor.events)


def test_an_event_is_worded_as_in_the_list_of_events(
    stack: State, org: Any, partner: Any, api: Any, stay: ExitStack
) -> None:
    token = org.token()
    listener = stay.enter_context(listening(stack, token))
    partner_id = partner(org)
    heard = listener.until(about(partner_id))[-1]
    listed = api(token).get("events", params={"entity_id": f"eq.{partner_id}"}).json()
    assert [heard] == listed


def test_a_right_that_is_given_or_taken_counts_at_once(
    stack: State, org: Any, partner: Any, key: Any, stay: ExitStack
) -> None:
    user_id = org.user()
    listener = stay.enter_context(listening(stack, sign(org.claims(user_id), stack.secret("jwt.key"))))
    other = stay.enter_context(listening(stack, org.token()))  # alike at first, in the same group
    role = "select id from core.role where org_id = %(org)s and code = %(code)s"
    values = {"org": org.id, "code": f"r{uuid.uuid4().hex[:8]}", "user": user_id}
    org.db.execute("insert into core.role (org_id, code, name) values (%(org)s, %(code)s, 'R')", values)
    org.db.execute(
        "insert into core.role_permission (org_id, role_id, permission) "
        f"values (%(org)s, ({role}), 'core.api_key.read')",
        values,
    )
    before = key(org)
    passed = partner(org)
    listener.until(about(passed))
    org.db.execute(
        f"insert into core.user_role (org_id, user_id, role_id) values (%(org)s, %(user)s, ({role}))", values
    )
    partner(org)
    during = key(org)
    listener.until(about(during))
    org.db.execute("delete from core.user_role where org_id = %(org)s and user_id = %(user)s", values)
    after, last = key(org), partner(org)
    listener.until(about(last)), other.until(about(last))
    assert ids(listener.events, "api_key") == [str(during)], (before, during, after)
    assert ids(other.events, "api_key") == []
    assert ids(other.events, "partner") == ids(listener.events, "partner")


def test_filters(stack: State, org: Any, partner: Any, stay: ExitStack) -> None:
    def listen(filters: Any) -> Listener:
        return stay.enter_context(listening(stack, org.token(), filters=filters))

    everything = listen(None)
    one, two = partner(org), partner(org)
    everything.until(about(two))  # they are told of, and nobody who comes now hears of them
    by_id = listen([{"entity_id": [str(two)]}])
    by_type = listen([{"entity": "partner", "type": ["partner.created"]}])
    by_either = listen([{"entity": ["role"]}, {"entity_id": [str(one)], "type": "partner.updated"}])
    for partner_id in (one, two):
        org.db.execute("update core.partner set name = 'new' where id = %s", [partner_id])
    three = partner(org)
    everything.until(about(three)), by_type.until(about(three)), by_id.until(about(two)), by_either.until(about(one))
    assert ids(by_type.events) == [str(three)]
    assert ids(by_id.events) == [str(two)]
    assert ids(by_either.events, "partner") == [str(one)]
    by_id.say(type="filters", filters=[{"entity_id": [str(three)]}])
    by_id.wait("filters_accepted")
    for partner_id in (two, three):
        org.db.execute("update core.partner set name = 'newer' where id = %s", [partner_id])
    by_id.until(about(three))
    assert ids(by_id.events) == [str(two), str(three)]


# ---- from where on ---------------------------------------------------------------------------------------------


def test_who_comes_back_goes_on_where_he_stopped(stack: State, org: Any, partner: Any) -> None:
    token = org.token()
    with listening(stack, token) as listener:
        made = [partner(org)]
        listener.until(about(made[0]))
        cursor = listener.cursor
    made += [partner(org) for _ in range(5)]
    with listening(stack, token, cursor=cursor) as listener:
        listener.until(about(made[-1]))
        made.append(partner(org))
        listener.until(about(made[-1]))
        assert ids(listener.events, "partner") == [str(partner_id) for partner_id in made[1:]]
    with listening(stack, token, cursor=cursor) as again, streaming(stack, token, last=cursor) as stream:
        again.until(about(made[-1]))
        assert ids(again.events, "partner") == [str(partner_id) for partner_id in made[1:]]
        heard = [stream.event() for _ in made[1:]]
        assert [event["entity_id"] for _, event in heard] == [str(partner_id) for partner_id in made[1:]]
    with streaming(stack, token, last=heard[2][0]) as stream:  # the id of each event is a place to go on from
        assert [stream.event()[1]["entity_id"] for _ in made[4:]] == [str(partner_id) for partner_id in made[4:]]


def test_who_stands_beside_a_group_that_is_ahead_misses_nothing(stack: State, org: Any, partner: Any) -> None:
    token = org.token()
    with listening(stack, token) as first:
        start = first.cursor
        made = [partner(org) for _ in range(3)]
        first.until(about(made[-1]))
        with listening(stack, token, cursor=start) as second:
            made.append(partner(org))
            second.until(about(made[-1])), first.until(about(made[-1]))
            assert ids(second.events, "partner") == ids(first.events, "partner") == [str(i) for i in made]


def test_a_bulk_change_reaches_everybody_whole(stack: State, org: Any, partner: Any, stay: ExitStack) -> None:
    listeners = [stay.enter_context(listening(stack, org.token())) for _ in range(2)]
    before = listeners[0].cursor
    org.db.execute(
        "insert into core.partner (org_id, code, name) select %s, 'B' || n, 'Bulk' from generate_series(1, 5000) as n",
        [org.id],
    )
    last = partner(org)
    listeners.append(stay.enter_context(listening(stack, org.token(), cursor=before)))
    made = [listener.until(about(last), 30) and ids(listener.events, "partner") for listener in listeners]
    assert [len(found) for found in made] == [5001] * 3
    assert made[0] == made[1] == made[2]


def test_server_sent_events(stack: State, org: Any, partner: Any) -> None:
    with streaming(stack, org.token(), entity="partner", type="partner.created") as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert stream.response.headers["x-request-id"]
        ready = stream.next()
        assert (ready["event"], json.loads(ready["data"])["cursor"]) == ("ready", ready["id"])
        partner_id = partner(org)
        org.db.execute("update core.partner set name = 'x' where id = %s", [partner_id])
        last = partner(org)
        assert [stream.event()[1]["entity_id"] for _ in range(2)] == [str(partner_id), str(last)]


# ---- who is refused ---------------------------------------------------------------------------------------------


def other_key(org: Any) -> str:
    return sign(org.claims(org.user()), "k" * 40)


def expired(org: Any) -> str:
    return sign(org.claims(org.user()), org.stack.secret("jwt.key"), minutes=-1)


def anonymous(org: Any) -> str:
    return sign({"role": "anon", "sub": str(uuid.uuid4())}, org.stack.secret("jwt.key"))


def without_session(org: Any) -> str:
    claims = {**org.claims(org.user()), "sid": str(uuid.uuid4())}
    return sign(claims, org.stack.secret("jwt.key"))


def of_another_role(org: Any) -> str:
    return sign(org.claims(org.user(), role="superadmin"), org.stack.secret("jwt.key"))


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (other_key, 401, "gateway.token_invalid"),
        (expired, 401, "gateway.token_expired"),
        (anonymous, 403, "realtime.role_refused"),
        (without_session, 401, "core.session_ended"),
        (of_another_role, 401, "core.role_mismatch"),
    ],
)
def test_a_bad_token_is_refused(stack: State, org: Any, token: Callable[[Any], str], status: int, code: str) -> None:
    text = token(org)
    with dial(stack) as listener:
        listener.say(type="hello", token=text)
        assert listener.end() == (4000 + status, code)
        assert listener.error is not None
        assert listener.error.keys() == {"type", "code", "message", "details", "hint", "reconnect"}
    response = httpx.get(f"{stack.url}/realtime/events", headers={"Authorization": f"Bearer {text}"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json().keys() == {"code", "message", "details", "hint"}


def test_a_token_in_the_header_of_a_socket(stack: State, org: Any, partner: Any) -> None:
    with dial(stack, {"Authorization": f"Bearer {org.token()}"}) as listener:
        listener.say(type="hello")
        listener.wait("ready")
        partner_id = partner(org)
        listener.until(about(partner_id))
    with (
        pytest.raises(InvalidStatus) as refused,
        dial(stack, {"Authorization": f"Bearer {expired(org)}"}),
    ):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["code"] == "gateway.token_expired"


@pytest.mark.parametrize(
    ("message", "close", "code"),
    [
        ({"type": "hello"}, 4401, "realtime.token_missing"),
        ({"type": "filters"}, 4400, "realtime.message_malformed"),
        ({"type": "hello", "token": "TOKEN", "cursor": "12"}, 4400, "realtime.cursor_malformed"),
        ({"type": "hello", "token": "TOKEN", "cursor": f"{1 << 60}.{NIL}"}, 4409, "realtime.cursor_unknown"),
        ({"type": "hello", "token": "TOKEN", "filters": [{"colour": "red"}]}, 4400, "realtime.filter_malformed"),
        ({"type": "hello", "token": "TOKEN", "filters": [{"entity_id": ["7"]}]}, 4400, "realtime.filter_malformed"),
    ],
)  # fmt: skip
def test_a_wrong_message_is_refused(stack: State, org: Any, message: Row, close: int, code: str) -> None:
    with dial(stack) as listener:
        listener.say(**{**message, **({"token": org.token()} if message.get("token") else {})})
        assert listener.end() == (close, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "events", 401, "realtime.token_missing"),
        ("GET", "ws", 426, "realtime.upgrade_required"),
        ("POST", "events", 405, "gateway.method_not_allowed"),
        ("GET", "nothing", 404, "gateway.not_found"),
        ("GET", "events?token=x", 400, "realtime.filter_malformed"),
        ("GET", "events?entity=a&entity=b", 400, "realtime.filter_malformed"),
    ],
)
def test_a_wrong_request_is_refused(stack: State, org: Any, method: str, path: str, status: int, code: str) -> None:
    headers = {"Authorization": f"Bearer {org.token()}"} if "?" in path else {}
    response = httpx.request(method, f"{stack.url}/realtime/{path}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["x-request-id"]


def test_a_browser_of_a_listed_origin_may_stream(stack: State) -> None:
    ask = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    response = httpx.options(f"{stack.url}/realtime/events", headers=ask)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, "https://app.example.com")
    assert {"Authorization", "Last-Event-ID"} <= set(response.headers["access-control-allow-headers"].split(", "))


def test_a_user_has_so_many_connections(stack: State, org: Any, stay: ExitStack) -> None:
    token = org.token()
    for _ in range(CONNECTIONS_OF_A_USER):
        stay.enter_context(listening(stack, token))
    with dial(stack) as listener:
        listener.say(type="hello", token=token)
        assert listener.end() == (4429, "realtime.too_many_connections")


# ---- who is cut off ---------------------------------------------------------------------------------------------


def test_a_session_that_ends_ends_its_connections(stack: State, org: Any, api: Any, stay: ExitStack) -> None:
    token = org.token()
    listener = stay.enter_context(listening(stack, token))
    stream = stay.enter_context(streaming(stack, token))
    assert stream.next()["event"] == "ready"
    began = time.monotonic()
    assert api(token).post("rpc/sign_out", json={}).status_code in (200, 204)
    assert listener.end() == (4401, "core.session_ended")
    while (fields := stream.next())["event"] != "error":
        pass
    assert json.loads(fields["data"])["code"] == "core.session_ended"
    with pytest.raises(EOFError):
        stream.next()
    print(f"cut off after {time.monotonic() - began:.1f} s")


def test_a_user_who_is_disabled_hears_nothing_more(
    stack: State, org: Any, partner: Any, api: Any, stay: ExitStack
) -> None:
    user_id = org.user()
    listener = stay.enter_context(listening(stack, sign(org.claims(user_id), stack.secret("jwt.key"))))
    other = stay.enter_context(listening(stack, org.token()))
    assert api(org.admin_token).post("rpc/user_disable", json={"id": str(user_id)}).status_code in (200, 204)
    last = partner(org)
    other.until(about(last))
    assert listener.end()[0] == 4401
    assert not about(last)(listener.events)


def test_a_token_ends_and_a_new_one_goes_on(stack: State, org: Any, partner: Any, stay: ExitStack) -> None:
    claims = org.claims(org.user())
    short, long = (sign(claims, stack.secret("jwt.key"), minutes=minutes) for minutes in (2 / 60, 10))
    ends = stay.enter_context(listening(stack, short))
    goes_on = stay.enter_context(listening(stack, short))
    goes_on.say(type="token", token=long)
    goes_on.wait("token_accepted")
    stays = stay.enter_context(listening(stack, long))
    stays.say(type="token", token=org.token())
    assert stays.end() == (4401, "realtime.token_of_another")
    assert ends.end() == (4401, "gateway.token_expired")
    last = partner(org)
    goes_on.until(about(last))


def test_a_client_that_does_not_read_is_cut_off_and_comes_back(stack: State, org: Any, stay: ExitStack) -> None:
    token = org.token()
    slow = stay.enter_context(listening(stack, token, filters=[{"type": "organization.noise"}], queue=1))
    quick = stay.enter_context(listening(stack, token, filters=[{"type": "organization.last"}]))
    user = slow_user(token)
    made = 0
    for _ in range(40):  # 1.2 MB each: more than all buffers on the way and the relay's own limit hold
        emit(org, "noise", "jsonb_build_object('n', n, 'noise', repeat(md5(n::text), 1000))", made, made + 39)
        made += 40
        if told := ends_of(stack, user):
            break
    else:
        told = until(lambda: ends_of(stack, user))
    assert told[0]["code"] == "realtime.too_slow"
    with pytest.raises(Exception):  # noqa: B017 - with a close frame, or without if it still read too slowly
        while True:
            slow.hear()
    assert slow.error is None or slow.error["code"] == "realtime.too_slow"
    heard = [event["payload"]["n"] for event in slow.events]
    assert heard == list(range(len(heard))) and len(heard) < made
    with listening(stack, token, cursor=slow.cursor, filters=[{"type": "organization.noise"}]) as again:
        rest = [event["payload"]["n"] for event in again.until(lambda events: len(events) >= made - len(heard))]
    assert heard + rest == list(range(made))
    emit(org, "last", "null")
    quick.until(bool)  # others did not notice


def emit(org: Any, what: str, payload: str, first: int = 1, last: int = 1) -> None:
    with org.db.transaction():
        org.db.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({"org_id": str(org.id)})])
        org.db.execute(
            f"select events.emit('organization.' || %s, 'organization', null, {payload}) "
            "from generate_series(%s::int, %s::int) as n",
            [what, first, last],
        )


def slow_user(token: str) -> str:
    import jwt

    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


def ends_of(stack: State, user: str) -> list[Row]:
    """What the relay's log says of ended connections of a user."""
    lines = (stack.log / "relay.log").read_text().splitlines()
    told = [json.loads(line) for line in lines if user in line]
    return [line for line in told if line["what"] == "close"]


def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
    return found


def test_the_log_says_who_listened_and_never_with_what_token(stack: State, org: Any) -> None:
    token = org.token()
    with listening(stack, token), streaming(stack, token) as stream:
        stream.next()
    told = until(lambda: len(found := ends_of(stack, slow_user(token))) == 2 and found)
    assert {line["kind"] for line in told} == {"websocket", "sse"}
    assert all(line["org"] == str(org.id) and line["role"] == "member" and line["request_id"] for line in told)
    for name in ("relay.log", "access.log", "gateway.log"):
        assert token not in (stack.log / name).read_text()


def test_the_relay_says_how_it_is(stack: State, org: Any) -> None:
    with listening(stack, org.token()):
        answer, problem = relay.health(stack)
    assert (problem, answer["database"]) == (None, "up")
    assert answer["connections"] >= 1


def test_who_says_nothing_is_sent_away(silent: Listener) -> None:
    assert silent.end() == (4408, "realtime.hello_missing")


def test_why_a_subscription_failed_is_said_to_the_log_and_not_to_the_subscriber(stack: State, org: Any) -> None:
    claims = {**org.claims(org.user()), "role": "member"}
    said: list[tuple[str | None, ...]] = []
    with psycopg.connect(stack.dsn("relay")) as connection:
        connection.add_notice_handler(
            lambda notice: said.append((notice.severity, notice.sqlstate, notice.message_primary))
        )
        rows = connection.execute(
            "select audience is not null, refusal from events.admit_subscribers(%s::jsonb[])",
            [[json.dumps({**claims, "role": "nobody_of_this_name"}), json.dumps(claims)]],
        ).fetchall()
    failed = {"code": "22023", "message": "The subscription failed.", "status": 500}
    assert rows == [(False, failed), (True, None)]
    wanted = 'events.admit_subscribers: role "nobody_of_this_name" does not exist'
    assert said == [("WARNING", "22023", wanted)]
