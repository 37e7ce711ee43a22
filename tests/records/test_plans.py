"""The hot queries of the records use their indexes on many rows, for who sees one unit as for who sees all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import cloned
from wms.support import own

CRATES = 20_000
FILL = [
    """
    insert into core.org_unit (org_id, kind, code, name, path)
    select %(org)s, 'DEPARTMENT', 'D' || n, 'D', ('d' || n)::ltree from generate_series(1, 40) as n
    """,
    """
    insert into core.location (org_id, kind, code, name, path, capacity, capacity_unit)
    select %(org)s, 'SHELF', 'S' || n, 'S', ('rack' || n / 10 || '.s' || n)::ltree, 50, 'XCR'
    from generate_series(1, 500) as n
    """,
    """
    insert into records.document (org_id, unit_id, document_number, name, dated_on, due_on)
    select %(org)s, u.id, 'D-' || n, 'Vouchers ' || md5(n::text), '2020-01-01',
      case when n %% 2 = 0 then date '2025-01-01' + n end
    from generate_series(1, %(count)s) as n
    join core.org_unit as u on u.org_id = %(org)s and u.code = 'D' || 1 + n %% 40
    """,
    """
    insert into records.crate (org_id, barcode, unit_id, status, is_retained, destruction_on, is_for_central)
    select %(org)s, u.code || '/2026/' || lpad(n::text, 5, '0'), u.id,
      case when n %% 50 = 0 then 'WITHDRAWN' else 'ACTIVE' end, n %% 4 = 0,
      case when n %% 4 <> 0 then date '2026-01-01' + n %% 5000 end, n %% 200 = 0
    from generate_series(1, %(count)s) as n
    join core.org_unit as u on u.org_id = %(org)s and u.code = 'D' || 1 + n %% 40
    """,
    """
    insert into records.crate_document (org_id, crate_id, document_id)
    select %(org)s, c.id, d.id
    from (select id, row_number() over (order by id) as n from records.crate where org_id = %(org)s) as c
    join (select id, row_number() over (order by id) as n from records.document where org_id = %(org)s) as d
      on d.n = c.n
    """,
    """
    insert into records.custody (org_id, crate_id, location_id, during, reason)
    select %(org)s, c.id, l.id,
      tstzrange(now() - s * interval '1 day', case when s > 1 then now() - (s - 1) * interval '1 day' end), 'STORED'
    from (select id, row_number() over (order by id) as n from records.crate where org_id = %(org)s) as c
    join core.location as l on l.org_id = %(org)s and l.code = 'S' || 1 + c.n %% 500
    cross join generate_series(1, 2) as s
    """,
    """
    insert into records.request (org_id, request_no, kind, status, crate_id, unit_id, is_full, expected_return_on,
      requested_by, requested_at, approved_at, issued_at, issued_to, returned_at)
    select %(org)s, 'R' || c.n, 'WITHDRAWAL', k.status, c.id, c.unit_id, true, date '2026-01-01' + (c.n %% 400)::int,
      case when c.n %% 100 = 0 then %(user)s else %(other)s end::uuid, now() - c.n * interval '1 minute', now(),
      case when k.status in ('ISSUED', 'RETURNED') then now() end,
      case when k.status in ('ISSUED', 'RETURNED') then %(other)s::uuid end,
      case when k.status = 'RETURNED' then now() end
    from (select id, unit_id, row_number() over (order by id) as n from records.crate where org_id = %(org)s) as c
    cross join lateral (
      select case when c.n %% 50 = 0 then 'ISSUED' when c.n %% 60 = 1 then 'PENDING' else 'RETURNED' end as status
    ) as k
    """,
]


@pytest.fixture(scope="module")
def filled(stack: Any) -> Iterator[Any]:
    """A database with twenty thousand crates in forty units, and what sessions of its members see; only read."""
    with cloned(stack) as name, psycopg.connect(stack.dsn("postgres", name), autocommit=True) as db:

        def one(query: str, *values: Any) -> Any:
            row = db.execute(query, values).fetchone()  # type: ignore[call-overload]
            return row and row[0]

        own(db)
        org = one("select core.create_organization('PLAN', 'Plan', 'BD', 'USD')")
        users = []
        for name in ("all", "unit"):
            users.append(
                one(
                    "insert into core.app_user (email, name, kind) values (%s, 'P', 'INTERNAL') returning id",
                    f"{name}@example.com",
                )
            )
            db.execute(
                "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org, users[-1]]
            )
        with db.transaction():
            db.execute("set local session_replication_role = replica")
            for statement in FILL:
                db.execute(statement, {"org": org, "count": CRATES, "user": users[0], "other": users[1]})  # type: ignore[call-overload]
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id) select org_id, %s, id from core.role"
            " where org_id = %s and code = 'administrator'", [users[0], org],
        )  # fmt: skip
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id, unit_id) select r.org_id, %s, r.id, u.id"
            " from core.role r join core.org_unit u on u.org_id = r.org_id and u.code = 'D7' where r.org_id = %s"
            " and r.code = 'records_viewer'", [users[1], org],
        )  # fmt: skip
        db.execute("analyze")
        db.execute("set session authorization migrator")
        yield db, org, users


def plan(db: Any, org: Any, user: Any, query: str) -> str:
    """The plan of a query for a member."""
    with db.transaction():
        claims = {"org_id": str(org), "role": "member", "sub": str(user)}
        db.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        db.execute("set local role member")
        return "\n".join(row[0] for row in db.execute(f"explain {query}"))


def test_hot_queries(filled: Any, subtests: pytest.Subtests) -> None:
    db, org, (everybody, unit_user) = filled
    ids = {
        name: db.execute(query, [org]).fetchone()[0]
        for name, query in {
            "unit": "select id from core.org_unit where org_id = %s and code = 'D7'",
            "crate": "select id from records.crate where org_id = %s limit 1",
            "place": "select id from core.location where org_id = %s and code = 'S9'",
        }.items()
    }
    for user in (everybody, unit_user):
        for name, query, index in (
            ("inbox", "records_pending_requests where unit_id = '{unit}' order by requested_at, id limit 20",
             "request_inbox_idx|request_unit_idx"),
            ("by kind", "records_requests where kind = 'WITHDRAWAL' and status = 'ISSUED'"
             " order by requested_at desc, id desc limit 20", "request_kind_idx"),
            ("overdue", "records_due_returns where expected_return_on < '2026-02-01'"
             " order by expected_return_on, id limit 20",
             "request_overdue_idx"),
            ("schedule", "records_due_destructions where destruction_on < '2026-02-01'"
             " order by destruction_on, id limit 20",
             "crate_destruction_idx"),
            ("my requests", f"records_requests where requested_by = '{everybody}'"
             " order by requested_at desc, id desc limit 20",
             "request_requested_by_idx"),
            ("scan", "records_crates where barcode = 'D7/2026/00006'", "crate_barcode_unique"),
            ("document", "records_documents where document_number = 'D-100'", "document_number_unique"),
            ("due documents", "records_documents where due_on < '2025-02-01' and status = 'ACTIVE'"
             " order by due_on, id limit 20",
             "document_due_on_idx"),
            ("crates", "records_crates order by id desc limit 20", "crate_pkey"),
            ("of a unit", "records_crates where unit_id = '{unit}' order by id desc limit 20",
             "crate_unit_idx|crate_pkey"),
            ("central", "records_central_crates order by id limit 20", "crate_central_idx"),
            ("history", "records_custodies where crate_id = '{crate}'", "custody_(history_idx|cannot_overlap)"),
            ("place", "records_crates where location_id = '{place}'", "custody_(place|location)_idx"),
            ("contents", "records_crate_documents where crate_id = '{crate}' and removed_at is null",
             "crate_document_crate_idx"),
        ):  # fmt: skip
            with subtests.test(f"{name} {'all' if user == everybody else 'unit'}"):
                text = plan(db, org, user, f"select * from api.{query.format(**ids)}")
                assert re.search(index, text), text
                assert not re.search(r"Seq Scan on (crate|request|document|custody|crate_document)\b", text), text
    at = plan(db, org, everybody, f"select * from api.records_custody_at('{ids['crate']}', now())")
    assert not re.search(r"Seq Scan on (custody|crate)\b", at), at
    rack = plan(db, org, everybody, "select * from core.location where path <@ 'rack3'")
    assert "location_path_idx" in rack or "Seq Scan" in rack  # five hundred places fit on few pages


def scans(db: Any) -> dict[str, tuple[int, int]]:
    """How often each table and index of what is searched and shown was read, and how many rows that gave."""
    rows = db.execute(
        "select c.relname, pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid) from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace where n.nspname = 'records' and c.relkind in ('i', 'r')"
        " or c.relname like 'search%'"
    ).fetchall()
    return {name: (int(count), int(rows)) for name, count, rows in rows}


def test_the_search_reads_by_index(filled: Any, subtests: pytest.Subtests) -> None:
    """A part of what is written on crates and documents, for who sees all units as for who sees one of forty."""
    db, org, (everybody, unit_user) = filled
    for source in ("records_crate", "records_document"):
        db.execute("select core.fill_search_part(%s, %s, null, 10000)", [source, org])
    db.execute("reset session authorization")
    db.execute("analyze core.searchable")
    db.execute("set session authorization migrator")
    for user in (everybody, unit_user):
        for q, kind, index in (
            ("D7/2026/00006", "crate", "searchable_code_idx"),
            ("d7/2026", "crate", "searchable_code_idx"),
            ("/00046", "crate", "searchable_end_of_code_idx"),
            ("D-46", "document", "searchable_code_idx"),
            ("vouchers d9d4f495", "document", "searchable_title_idx"),
            ("d9d4f495e875a2e075a1a4a6e1b9770f", "document", "searchable_words_idx"),
        ):
            with subtests.test(f"{q} {'all' if user == everybody else 'unit'}"), db.transaction():
                claims = {"org_id": str(org), "role": "member", "sub": str(user)}
                db.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
                db.execute("set local role member")
                query = "select entity, title from api.search(%s, array[%s])"
                db.execute(query, [q, f"records_{kind}"])
                before = scans(db)
                found = db.execute(query, [q, f"records_{kind}"]).fetchall()
                read = {
                    name: rows - before[name][1] for name, (count, rows) in scans(db).items() if count > before[name][0]
                }
                assert found and index in read, (found, read)
                whole = {"searchable", "crate", "document", "crate_document", "custody"} & set(read)
                assert not whole and max(read.values()) <= 5500, read  # the newest 5,000 at most
