"""Signatures and certificates of destruction, verified outside the database: every hash is computed anew.

The database computes the same hashes (`core.signature_text`, `records.certificate_text`); who can change its functions
can change what they say. Here only columns are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erpgres.errors import CannotRun, Refused

Row = dict[str, Any]

_UTC = "to_char({} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_SIGNATURES = f"""
select o.code as organization, s.id::text, s.entity, s.entity_id::text,
  jsonb_build_array(
    s.org_id::text, s.id::text, s.entity, s.entity_id::text, s.meaning, s.statement, s.signer_id::text, s.signer_name,
    s.signer_email, to_jsonb(s.signer_roles), s.unit_id::text, s.unit_name, s.session_id::text, host(s.address),
    s.has_second_factor::text, {_UTC.format("s.signed_at")}, s.payload_sha256
  ) as said, s.payload, s.payload_sha256, s.sha256
from core.signature as s join core.organization as o on o.id = s.org_id
where %(org)s::uuid is null or s.org_id = %(org)s
order by s.org_id, s.id
"""
_CERTIFICATES = f"""
select o.code as organization, c.id::text, c.certificate_no,
  jsonb_build_array(
    c.org_id::text, c.id::text, c.certificate_no, c.request_id::text, c.crate_id::text, c.unit_id::text, c.method,
    c.vendor, c.executed_by::text, c.executor_signature_id::text, c.witness_id::text, c.witness_signature_id::text,
    {_UTC.format("c.executed_at")}, c.document_count::text, c.manifest::text
  ) as said, c.sha256, c.manifest, c.document_count, k.status as crate_status,
  (e.signer_id, e.entity_id, e.meaning) is not distinct from (c.executed_by, c.request_id, 'DESTROY') as is_executed,
  (w.signer_id, w.entity_id, w.meaning) is not distinct from (c.witness_id, c.request_id, 'WITNESS') as is_witnessed,
  (
    select coalesce(jsonb_object_agg(s.id, s.sha256), '{{}}')
    from core.signature as s
    where s.org_id = c.org_id
      and s.id in (select (g ->> 'id')::uuid from jsonb_array_elements(c.manifest -> 'signatures') as g)
  ) as signatures,
  (
    select count(*) from records.document as d
    where d.org_id = c.org_id and d.status = 'DESTROYED'
      and d.id in (select (g ->> 'id')::uuid from jsonb_array_elements(c.manifest -> 'documents') as g)
  ) as destroyed
from records.destruction_certificate as c
join core.organization as o on o.id = c.org_id
left join records.crate as k on k.org_id = c.org_id and k.id = c.crate_id
left join core.signature as e on e.org_id = c.org_id and e.id = c.executor_signature_id
left join core.signature as w on w.org_id = c.org_id and w.id = c.witness_signature_id
where %(org)s::uuid is null or c.org_id = %(org)s
order by c.org_id, c.id
"""
_WITHOUT_CERTIFICATE = """
select o.code as organization, k.id::text, k.barcode
from records.crate as k join core.organization as o on o.id = k.org_id
where k.status = 'DESTROYED' and (%(org)s::uuid is null or k.org_id = %(org)s)
  and not exists (
    select from records.destruction_certificate as c where c.org_id = k.org_id and c.crate_id = k.id
  )
order by k.org_id, k.id
"""


@dataclass
class Finding:
    """Something that does not agree. `what` is `signature`, `certificate` or `crate`, `name` what people know it by."""

    organization: str
    what: str
    id: str
    name: str
    problem: str


@dataclass
class Verdict:
    """What was looked at, and what does not agree."""

    signatures: int
    certificates: int
    findings: list[Finding]


def canonical(values: Sequence[Any]) -> str:
    """Return the text that PostgreSQL writes for this jsonb array: strings, nulls and arrays of strings."""
    return json.dumps(list(values), ensure_ascii=False)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def signature_problems(row: Row) -> Iterator[str]:
    """Say what is wrong with one signature."""
    if sha256(row["payload"]) != row["payload_sha256"]:
        yield "what was signed does not have the hash that was signed"
    if sha256(canonical(row["said"])) != row["sha256"]:
        yield "the signature does not have its hash: signer, roles, meaning, time or record were changed"


def certificate_problems(row: Row) -> Iterator[str]:
    """Say what is wrong with one certificate."""
    if sha256(canonical(row["said"])) != row["sha256"]:
        yield "the certificate does not have its hash: it was changed"
    if not row["is_executed"]:
        yield "the signature of who destroyed is missing or of something else"
    if not row["is_witnessed"]:
        yield "the signature of the witness is missing or of something else"
    for signed in row["manifest"]["signatures"]:
        if row["signatures"].get(signed["id"]) != signed["sha256"]:
            yield f"the signature of {signed['name']} ({signed['meaning']}) is not the one that the manifest names"
    listed = len(row["manifest"]["documents"])
    if listed != row["document_count"]:
        yield f"it counts {row['document_count']} documents and lists {listed}"
    if row["destroyed"] != listed:
        yield f"{listed - row['destroyed']} of its documents are missing or not marked as destroyed"
    if row["crate_status"] != "DESTROYED":
        yield f"its crate is {row['crate_status'] or 'missing'}"


def verify(dsn: str, org_code: str | None = None) -> Verdict:
    """Compute every hash of one or all organisations anew. Raises Refused for an organisation that is not there."""
    try:
        with psycopg.connect(dsn, row_factory=dict_row) as connection:
            connection.read_only = True
            org = None
            if org_code:
                found = connection.execute(
                    "select id from core.organization where code = %s", [org_code.upper()]
                ).fetchone()
                if not found:
                    raise Refused(f"there is no organisation {org_code}")
                org = found["id"]
            verdict = Verdict(0, 0, [])
            for row in _read(connection, "signatures", _SIGNATURES, org):
                verdict.signatures += 1
                name = f"of {row['entity']} {row['entity_id']}"
                verdict.findings += [
                    Finding(row["organization"], "signature", row["id"], name, problem)
                    for problem in signature_problems(row)
                ]
            for row in _read(connection, "certificates", _CERTIFICATES, org):
                verdict.certificates += 1
                verdict.findings += [
                    Finding(row["organization"], "certificate", row["id"], row["certificate_no"], problem)
                    for problem in certificate_problems(row)
                ]
            verdict.findings += [
                Finding(
                    row["organization"], "crate", row["id"], row["barcode"], "it was destroyed without a certificate"
                )
                for row in _read(connection, "crates", _WITHOUT_CERTIFICATE, org)
            ]
            return verdict
    except psycopg.OperationalError as error:
        raise CannotRun(f"the database cannot be reached: {error}".strip(), "`erpgres status`") from None


def _read(connection: psycopg.Connection[Row], name: str, query: str, org: Any) -> Iterator[Row]:
    """Read row by row: there may be more than memory holds."""
    with connection.cursor(name) as cursor:
        cursor.execute(query, {"org": org})
        yield from cursor
