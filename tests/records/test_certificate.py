"""The certificate of destruction: as a page to print, and its proofs computed anew outside the database."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import Any

import psycopg

from conftest import erpgres
from records.signing import Office
from records.support import refused

EVIL = """<script>alert("1")</script> & 'others'"""


def page(office: Office, certificate: dict[str, Any], role: str = "store", unit: str = "U1") -> Any:
    return office.world.client(role, unit).get(
        "rpc/records_certificate_page", params={"id": certificate["id"]}, headers={"Accept": "text/html"}
    )


def test_the_page_shows_what_the_certificate_says(office: Office) -> None:
    world = office.world
    documents = [world.document(name=EVIL), world.document(name="Ünïcode, Rechnungen")]
    certificate = office.destroyed(office.due(documents), vendor=f"Shred {EVIL}", method="INCINERATE")
    answer = page(office, certificate)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "style-src 'unsafe-inline'" in policy
    html = answer.text
    assert "<script" not in html and "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;others&#39;" in html
    for text in (
        certificate["certificate_no"], certificate["sha256"], certificate["barcode"], "incineration",
        "Ünïcode, Rechnungen", *(d["document_number"] for d in documents), "U1 / HR", "ROOM1 / R1 / A / S1",
        "I have examined this request and approve it.", "I have destroyed the crate", "I was present and saw",
    ):  # fmt: skip
        assert text in html, text
    for signature in certificate["manifest"]["signatures"]:
        assert signature["sha256"] in html and signature["name"] in html
    assert "was altered" not in html
    assert html.count("<tr><td") == 2 and not re.search(r"%\d*\$?s", html)


def test_who_sees_a_certificate(office: Office) -> None:
    world = office.world
    certificate = office.destroyed(office.due(1))
    for role in ("manager", "approver", "viewer", "admin"):
        assert [row["id"] for row in world.rows("certificates", role)] == [certificate["id"]], role
        assert page(office, certificate, role).status_code == 200
    assert world.rows("certificates", "viewer", "U2") == []
    refused(page(office, certificate, "viewer", "U2"), 404, "records.certificate_not_found")
    changed = world.client("admin").patch(
        "records_certificates", params={"id": f"eq.{certificate['id']}"}, json={"vendor": "Other"}
    )
    refused(changed, 403, "42501")


@contextmanager
def tampered(stack: Any, database: str, change: str, undo: str) -> Any:
    """Change what nobody may, as somebody who has the disk: a superuser whose session fires no triggers."""
    with psycopg.connect(stack.dsn("postgres", database), autocommit=True) as superuser:
        superuser.execute("set session_replication_role = replica")
        assert superuser.execute(change).rowcount == 1  # type: ignore[call-overload]
        try:
            yield
        finally:
            superuser.execute(undo)  # type: ignore[call-overload]


def test_tampering_is_found_out(office: Office, stack: Any) -> None:
    world = office.world
    certificate = office.destroyed(office.due(2))
    database = world.db.info.dbname
    key = certificate["id"]
    signature = certificate["executor_signature_id"]
    document = certificate["manifest"]["documents"][0]["id"]

    def verdict() -> tuple[int, list[tuple[str, str]]]:
        done = erpgres("records", "verify", "--org", world.org.code, "--format", "json", "--state", str(stack.path))
        body = json.loads(done.stdout)
        assert (body["signatures"], body["certificates"]) == (3, 1)
        return done.returncode, [(f["what"], f["problem"]) for f in body["findings"]]

    assert verdict() == (0, [])
    cases = [
        (
            f"update records.destruction_certificate set vendor = 'Other' where id = '{key}'",
            f"update records.destruction_certificate set vendor = null where id = '{key}'",
            [("certificate", "the certificate does not have its hash: it was changed")],
        ),
        (
            f"update core.signature set signer_name = signer_name || '!' where id = '{signature}'",
            f"update core.signature set signer_name = rtrim(signer_name, '!') where id = '{signature}'",
            [
                (
                    "signature",
                    "the signature does not have its hash: signer, roles, meaning, time or record were changed",
                )
            ],
        ),
        (
            f"update core.signature set payload = payload || ' ' where id = '{signature}'",
            f"update core.signature set payload = rtrim(payload) where id = '{signature}'",
            [("signature", "what was signed does not have the hash that was signed")],
        ),
        (
            f"update records.document set status = 'ACTIVE' where id = '{document}'",
            f"update records.document set status = 'DESTROYED' where id = '{document}'",
            [("certificate", "1 of its documents are missing or not marked as destroyed")],
        ),
    ]
    for change, undo, expected in cases:
        with tampered(stack, database, change, undo):
            assert verdict() == (1, expected)
            if "vendor" in change:
                assert world.row("certificates", key)["is_intact"] is False
                assert "was altered" in page(office, certificate).text
            if "signer_name" in change:
                client = world.client("viewer")
                checked = client.get("rpc/signature_verify", params={"id": signature}).json()
                assert (checked["is_intact"], checked["is_current"]) == (False, True)
    assert verdict() == (0, [])
    told = erpgres("records", "verify", "--org", world.org.code, "--state", str(stack.path))
    assert told.stdout == "3 signatures and 1 certificates of destruction: all agree\n"
    unknown = erpgres("records", "verify", "--org", "NOBODY", "--state", str(stack.path))
    assert unknown.returncode == 1 and "there is no organisation NOBODY" in unknown.stderr


def test_the_page_is_printed_on_a4(office: Office, browser: Any) -> None:
    """Sixty documents: the head of the table stands on each page, and nothing runs over the edge."""
    world = office.world
    certificate = office.destroyed(office.due([world.document(name=f"Vouchers of week {week}") for week in range(60)]))
    sheet = browser.new_page(viewport={"width": 794, "height": 1123})
    sheet.set_content(page(office, certificate).text)
    sheet.emulate_media(media="print")
    assert sheet.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert sheet.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    sheet.set_viewport_size({"width": 360, "height": 800})
    sheet.emulate_media(media="screen")
    assert sheet.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "on a telephone, too"
    sheet.close()
