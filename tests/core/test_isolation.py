"""Nobody reaches what is not his: every view and function of the API, for each kind of user, through HTTP.

Views, functions and relationships come from the catalog, so a new one is tested without being listed here; one that the
two organisations below have no rows for fails until `fill` makes some.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from conftest import Organization
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

WANT = {"Prefer": "return=representation"}
# Views whose rows are not all an organisation's administrator sees: each with who else may.
PERSONAL = {"own_partner": "EXTERNAL users only"}
# What an EXTERNAL user sees of the whole organisation: rows without a partner that are his own in another way.
OF_THE_USER = {"sessions", "security_events", "users", "api_keys"}


@dataclass
class Side:
    """An organisation with rows in every view, its administrator, and an EXTERNAL user of each of two partners."""

    org: Organization
    admin: httpx.Client
    partners: list[str] = field(default_factory=list)
    externals: list[httpx.Client] = field(default_factory=list)
    limited: httpx.Client | None = None
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.org.id)


@dataclass
class World:
    ours: Side
    theirs: Side
    root: httpx.Client
    anon: httpx.Client
    database: psycopg.Connection[Any]

    def count(self, view: str, side: Side) -> int:
        """How many rows of an organisation a view has, asked by the superuser, whom nothing binds."""
        query = sql.SQL("select count(*) from api.{} where {} = %s").format(
            sql.Identifier(view), sql.Identifier(key(view))
        )
        row = self.database.execute(query, [side.org.id]).fetchone()
        assert row is not None
        return int(row[0])

    def fingerprint(self, side: Side) -> dict[str, str]:
        """A hash of all rows of an organisation, table by table; sessions and events come and go."""
        tables = self.database.execute(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' "
            "where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = any (%s) "
            "and c.relname not in ('session', 'security_event')",
            [["core", "wms", "apparel", "records", "cotton"]],
        ).fetchall()
        found = {}
        for schema, table in tables:
            query = sql.SQL(
                "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} as t where org_id = %s"
            )
            row = self.database.execute(query.format(sql.Identifier(schema, table)), [side.org.id]).fetchone()
            assert row is not None
            found[f"{schema}.{table}"] = row[0]
        return found


def key(view: str) -> str:
    return "id" if view == "organizations" else "org_id"


def client(state: State, token: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"{state.url}/api/", headers=headers, timeout=60)


def make(caller: httpx.Client, view: str, **values: Any) -> dict[str, Any]:
    response = caller.post(view, json=values, headers=WANT)
    assert response.status_code == 201, f"{view}: {response.text}"
    row: dict[str, Any] = response.json()[0]
    return row


def called(caller: httpx.Client, function: str, **values: Any) -> Any:
    response = caller.post(f"rpc/{function}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def fill(state: State, db: psycopg.Connection[Any], database: psycopg.Connection[Any]) -> Side:
    """Make an organisation with at least one row in every view."""
    code = f"I{uuid.uuid4().hex[:12].upper()}"
    row = db.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, code]).fetchone()
    assert row is not None
    org = Organization(row[0], code, db, state)
    admin = client(state, org.admin_token)
    side = Side(org, admin)
    unit = make(admin, "org_units", kind="BRANCH", code="B", name="B")["id"]
    for name in ("OWN", "OTHER"):
        partner = make(admin, "partners", code=name, name=name)["id"]
        make(admin, "partner_roles", partner_id=partner, role="CUSTOMER")
        make(admin, "partner_roles", partner_id=partner, role="SUPPLIER")
        make(admin, "contacts", partner_id=partner, name=name, phone="1")
        make(admin, "addresses", partner_id=partner, kind="REGISTERED", line1="1", city="C", country_code="BD")
        side.partners.append(partner)
        side.externals.append(client(state, org.token(partner_id=partner)))
    item = make(admin, "items", sku="I", name="I", unit_code="C62", tracking="LOT", **{"class": "GOODS"})["id"]
    make(admin, "item_barcodes", item_id=item, unit_code="C62", barcode="12345")
    make(admin, "unit_conversions", from_unit="XBX", to_unit="C62", factor_numerator=7)
    make(admin, "exchange_rates", from_currency="EUR", to_currency="USD", rate=1.1, valid="[2026-01-01,2027-01-01)")
    warehouse = called(admin, "wms_warehouse_create", code="W", name="W")["id"]
    lot = make(admin, "wms_lots", item_id=item, lot_no="L")["id"]
    line = {"item_id": item, "lot_id": lot, "quantity": 5, "unit_price": 1}
    for partner in side.partners:
        document = called(
            admin,
            "wms_document_create",
            document_type="IMPORT",
            to_location_id=warehouse,
            partner_id=partner,
            lines=[line],
        )["id"]
        called(admin, "wms_document_post", id=document)
    draft = called(admin, "wms_document_create", document_type="IMPORT", to_location_id=warehouse, lines=[line])["id"]
    staged = called(admin, "import_stage", entity="items", csv="sku,name,class,unit\nX,,GOODS,C62\n")
    user_id = org.user(["core.item.update", "core.partner.update", "core.org_unit.update"])
    db.execute("update core.user_role set unit_id = %s where user_id = %s", [unit, user_id])
    side.limited = client(state, sign(org.claims(user_id), state.secret("jwt.key")))
    called(admin, "api_key_create", name="K", user_id=str(org.users["admin"]), permissions=["core.item.update"])
    called(admin, "event_consumer_register", name="fill")
    database.execute(
        "insert into core.security_event (org_id, kind, user_id) values (%s, 'TEST', %s)", [org.id, user_id]
    )
    webhook = called(admin, "webhook_create", name="W", url="https://192.0.2.1/hook", event_types=["role.deleted"])[
        "id"
    ]
    called(admin, "notification_preference_put", event_type="partner.updated", is_on=True)
    for query in (
        "insert into events.webhook_delivery "
        "(org_id, id, webhook_id, event_id, event_xid, event_type, state, finished_at) "
        "values (%(org)s, %(hook)s, %(hook)s, uuidv7(), '1', 'role.deleted', 'SKIPPED', now())",
        "insert into events.webhook_attempt (org_id, delivery_id, attempted_at, milliseconds) "
        "values (%(org)s, %(hook)s, now(), 1)",
        "insert into events.notification (org_id, user_id, event_id, event_type, entity) "
        "values (%(org)s, %(user)s, uuidv7(), 'role.deleted', 'role')",
    ):
        database.execute(query, {"org": org.id, "hook": webhook, "user": org.users["admin"]})
    role = admin.get("roles", params={"code": "eq.wms_viewer"}).json()[0]["id"]
    side.ids = {"unit": unit, "partner": side.partners[0], "item": item, "warehouse": warehouse, "lot": lot,
                "document": draft, "import": staged["id"], "webhook": webhook,
                "user": str(user_id), "role": role}  # fmt: skip
    for view in ("sessions", "api_keys", "wms_positions", "number_series"):
        found = database.execute(
            sql.SQL("select id from api.{} where org_id = %s limit 1").format(sql.Identifier(view)), [org.id]
        ).fetchone()
        assert found is not None
        side.ids[view] = str(found[0])
    return side


@pytest.fixture(scope="module")
def world(stack: State) -> Iterator[World]:
    with (
        psycopg.connect(stack.dsn("migrator"), autocommit=True) as db,
        psycopg.connect(stack.dsn("postgres", stack.database), autocommit=True) as database,
    ):
        sides = [fill(stack, db, database) for _ in range(2)]
        row = db.execute(
            "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id::text",
            [f"{uuid.uuid4().hex}@example.com"],
        ).fetchone()
        assert row is not None
        claims = {"role": "superadmin", "sub": row[0]}
        root = client(stack, sign({**claims, "sid": open_session(db, claims)}, stack.secret("jwt.key")))
        made = World(sides[0], sides[1], root, client(stack), database)
        yield made
        for side in sides:
            for one in [side.admin, *side.externals]:
                one.close()


@pytest.fixture(scope="module")
def views(world: World) -> list[str]:
    """Every view that shows rows of organisations."""
    rows = world.database.execute(
        "select c.relname from pg_class c where c.relnamespace = 'api'::regnamespace and c.relkind = 'v' and ("
        "c.relname = 'organizations' "
        "or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'org_id')) "
        "order by 1"
    ).fetchall()
    assert len(rows) > 20
    return [name for (name,) in rows]


def read(caller: httpx.Client, view: str, **params: str) -> list[dict[str, Any]]:
    response = caller.get(view, params={"limit": "100", **params})
    assert response.status_code == 200, f"{view}: {response.text}"
    rows: list[dict[str, Any]] = response.json()
    return rows


def test_both_organisations_have_rows_in_every_view(world: World, views: list[str]) -> None:
    for side in (world.ours, world.theirs):
        assert [view for view in views if world.count(view, side) == 0] == []


def test_internal_users_list_their_organisation_and_nothing_else(world: World, views: list[str]) -> None:
    for view in sorted(set(views) - PERSONAL.keys()):
        rows = read(world.ours.admin, view, **{"limit": "100"})
        assert {row[key(view)] for row in rows} == {world.ours.id}, view
        assert len(rows) == min(world.count(view, world.ours), 100), view
        assert read(world.ours.admin, view, **{key(view): f"eq.{world.theirs.id}"}) == [], view


def test_single_rows_of_another_organisation_are_not_there(world: World, views: list[str]) -> None:
    seen = 0
    for view in sorted(set(views) - PERSONAL.keys()):
        row = read(world.theirs.admin, view)[0]
        if "id" in row:
            seen += 1
            assert len(read(world.theirs.admin, view, id=f"eq.{row['id']}")) == 1, view
            for stranger in (world.ours.admin, world.ours.limited):
                assert stranger is not None
                assert read(stranger, view, id=f"eq.{row['id']}") == [], view
    assert seen > 15


def test_external_users_see_their_partner_and_nothing_else(world: World, views: list[str]) -> None:
    visible = set()
    for view in views:
        for side in (world.ours, world.theirs):
            for partner, external in zip(side.partners, side.externals, strict=True):
                response = external.get(view, params={"limit": "100"})
                if response.status_code in (401, 403):
                    continue
                assert response.status_code == 200, f"{view}: {response.text}"
                for row in response.json():
                    visible.add(view)
                    assert row[key(view)] == side.id, view
                    if row.get("partner_id"):
                        assert row["partner_id"] == partner, view
                    if view == "own_partner":
                        assert row["id"] == partner
                    if view in OF_THE_USER:
                        assert response.json() == [row], f"{view} shows more than one's own"
    assert {"own_partner", "wms_documents", "wms_document_lines", "contacts", "addresses"} <= visible
    lines = [read(external, "wms_document_lines") for external in world.ours.externals]
    assert [len(rows) for rows in lines] == [1, 1]
    assert lines[0][0]["id"] != lines[1][0]["id"]


def test_super_admins_see_every_organisation(world: World, views: list[str]) -> None:
    for view in sorted(set(views) - PERSONAL.keys()):
        for side in (world.ours, world.theirs):
            rows = read(world.root, view, **{key(view): f"eq.{side.id}"})
            assert len(rows) == min(world.count(view, side), 100), view


def test_without_a_token_there_are_no_rows(world: World, views: list[str]) -> None:
    assert {view: world.anon.get(view).status_code for view in views} == dict.fromkeys(views, 401)


def relations(world: World) -> list[tuple[str, str, str]]:
    """Return (view, constraint, embedded view) for every foreign key between tables that views show."""
    return world.database.execute(
        """
        with shown as (
          select distinct v.oid as view, v.relname, d.refobjid as tab
          from pg_class v
          join pg_rewrite w on w.ev_class = v.oid
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
            and d.refclassid = 'pg_class'::regclass
          where v.relnamespace = 'api'::regnamespace and v.relkind = 'v' and d.refobjid <> v.oid
            and exists (select from pg_attribute a where a.attrelid = v.oid and a.attname = 'org_id')
        )
        select a.relname, k.conname, b.relname
        from pg_constraint k
        join shown a on a.tab = k.conrelid
        join shown b on b.tab = k.confrelid
        where k.contype = 'f' and k.conparentid = 0
        order by 1, 2, 3
        """
    ).fetchall()


def test_embedded_rows_are_of_the_same_organisation(world: World) -> None:
    embedded = 0
    for view, constraint, other in relations(world):
        for first, second in ((view, other), (other, view)):
            for caller, org_id in ((world.ours.admin, world.ours.id), (world.theirs.externals[0], world.theirs.id)):
                params = {"select": f"org_id,inner:{second}!{constraint}(org_id)", "limit": "100"}
                response = caller.get(first, params=params)
                if response.status_code in (300, 400, 401, 403):
                    continue  # not a relationship of these two views, or not for this caller
                assert response.status_code == 200, response.text
                for row in response.json():
                    inner = row["inner"] if isinstance(row["inner"], list) else [row["inner"]] if row["inner"] else []
                    embedded += len(inner)
                    assert {row["org_id"], *(entry["org_id"] for entry in inner)} == {org_id}, (
                        first,
                        constraint,
                        second,
                    )
    assert embedded > 50


def writable(world: World, command: str) -> list[tuple[str, list[str]]]:
    """Return the views that members may write, and the columns they may give."""
    rows = world.database.execute(
        """
        select c.relname, coalesce(array_agg(a.attname order by a.attnum) filter (
          where a.attnum > 0 and has_column_privilege('member', c.oid, a.attnum, %(columns)s)
        ), '{}')
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'api'::regnamespace and c.relkind = 'v'
          and (has_table_privilege('member', c.oid, %(command)s) or (
            %(command)s <> 'DELETE' and has_any_column_privilege('member', c.oid, %(command)s)))
        group by 1 order by 1
        """,
        {"command": command, "columns": "SELECT" if command == "DELETE" else command},
    ).fetchall()
    assert rows
    return [(view, list(columns)) for view, columns in rows]


def test_nobody_writes_into_another_organisation(world: World) -> None:
    before = world.fingerprint(world.theirs)
    strangers = [world.ours.admin, world.ours.limited, *world.ours.externals]
    for view, columns in writable(world, "UPDATE"):
        rows = read(world.theirs.admin, view)
        column = next(c for c in columns if c not in ("version", "path"))
        for stranger in strangers:
            assert stranger is not None
            response = stranger.patch(
                view, params={key(view): f"eq.{world.theirs.id}"}, json={column: rows[0][column]}, headers=WANT
            )
            assert response.status_code >= 400 or response.json() == [], f"{view}: {response.text}"
    for view, columns in writable(world, "INSERT"):
        row = read(world.theirs.admin, view)[0]
        body = {c: row[c] for c in columns if c in row and c not in ("id", "version")}
        for stranger in strangers:
            assert stranger is not None
            response = stranger.post(view, json={**body, "org_id": world.theirs.id}, headers=WANT)
            assert response.status_code in (401, 403), f"{view}: {response.text}"
    for view, _ in writable(world, "DELETE"):
        for stranger in strangers:
            assert stranger is not None
            response = stranger.delete(view, params={key(view): f"eq.{world.theirs.id}"}, headers=WANT)
            assert response.status_code >= 400 or response.json() == [], f"{view}: {response.text}"
    assert world.fingerprint(world.theirs) == before


def test_a_super_admin_without_an_organisation_writes_nowhere(world: World) -> None:
    before = world.fingerprint(world.theirs)
    for view, columns in writable(world, "UPDATE"):
        row = read(world.theirs.admin, view)[0]
        column = next(c for c in columns if c not in ("version", "path"))
        response = world.root.patch(
            view, params={key(view): f"eq.{world.theirs.id}"}, json={column: row[column]}, headers=WANT
        )
        assert response.status_code >= 400 or response.json() == [], f"{view}: {response.text}"
    assert world.fingerprint(world.theirs) == before


def test_functions_do_not_reach_another_organisation(world: World) -> None:
    """Every function with an id among its arguments, given each id of another organisation."""
    functions = world.database.execute(
        """
        select p.proname, p.proargnames, array(select t::regtype::text from unnest(p.proargtypes) t), p.pronargdefaults
        from pg_proc p
        where p.pronamespace = 'api'::regnamespace and has_function_privilege('member', p.oid, 'execute')
          and 'uuid'::regtype = any (p.proargtypes::oid[])
        order by 1
        """
    ).fetchall()
    assert len(functions) > 10
    before = world.fingerprint(world.theirs)
    defaults = {
        "text": "ACTIVE",
        "integer": 1,
        "numeric": 1,
        "jsonb": [],
        "date": "2026-01-01",
        "boolean": True,
        "text[]": [],
    }
    strangers = [world.ours.admin, world.ours.limited, world.ours.externals[0]]
    for name, arguments, types, optional in functions:
        own_id = name.endswith("_create")  # a client may make the id of what it makes
        for stranger in strangers:
            assert stranger is not None
            for argument, of_type in zip(arguments, types, strict=False):
                if of_type != "uuid" or (own_id and argument == "id"):
                    continue
                for given in world.theirs.ids.values():
                    body = {
                        a: defaults.get(t)
                        for a, t in list(zip(arguments, types, strict=False))[: len(types) - optional]
                    }
                    body = {a: str(uuid.uuid4()) if t is None else t for a, t in body.items()}
                    response = stranger.post(f"rpc/{name}", json={**body, argument: given})
                    assert response.status_code >= 400, f"{name}({argument}): {response.status_code} {response.text}"
    assert world.fingerprint(world.theirs) == before


def test_a_role_in_a_unit_does_not_write_elsewhere(world: World) -> None:
    limited = world.ours.limited
    assert limited is not None
    for view, column in (("items", "name"), ("partners", "name"), ("org_units", "name")):
        row = read(limited, view)[0]
        response = limited.patch(view, params={"id": f"eq.{row['id']}"}, json={column: "Z"}, headers=WANT)
        assert response.status_code == 403, f"{view}: {response.text}"
    assert called(limited, "me")["permissions"] == []


def test_the_check_can_fail(world: World) -> None:
    """A policy that lets another organisation in is noticed."""
    with psycopg.connect(world.ours.org.stack.dsn("postgres", world.ours.org.stack.database)) as database:
        database.execute("create policy member_leak on core.item for select to member using (true)")
        database.execute("set session authorization authenticator")
        database.execute("select set_config('request.jwt.claims', %s, true)", [f'{{"org_id": "{world.ours.id}"}}'])
        database.execute("set local role member")
        leaked = database.execute("select count(*) from api.items where org_id = %s", [world.theirs.org.id]).fetchone()
        database.rollback()
    assert leaked == (1,)
