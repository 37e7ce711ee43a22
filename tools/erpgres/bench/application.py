"""What the four systems that Erpgres replaces were built of, to compare with: FastAPI, SQLAlchemy and pydantic.

Run by `erpgres bench api` under Gunicorn with Uvicorn workers. As its users would have it: models that are mapped and
answers that are validated, a token that is verified (and believed: no query asks for the user), pages by cursor, the
pool of requirements 000-04 and 003-01 (20 + 10 connections a worker, LIFO, 30 s, recycled after 1800 s, tried before
use), and a posting that locks in one order and writes sets, not rows. The settings come from the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker


class Base(DeclarativeBase):
    """What the mapped tables have in common."""


class Document(Base):
    """A warehouse document."""

    __tablename__ = "document"
    __table_args__ = ({"schema": "wms"},)

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    document_type: Mapped[str]
    status: Mapped[str]
    number: Mapped[str | None]
    from_location_id: Mapped[UUID | None]
    to_location_id: Mapped[UUID | None]
    partner_id: Mapped[UUID | None]
    reference: Mapped[str | None]
    posting_date: Mapped[date | None]
    currency: Mapped[str]
    line_count: Mapped[int]
    total: Mapped[Decimal]
    status_reason: Mapped[str | None]
    reverses: Mapped[UUID | None]
    posted_at: Mapped[datetime | None]
    posted_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[UUID | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    updated_at: Mapped[datetime]
    updated_by: Mapped[UUID | None]


class DocumentOut(BaseModel):
    """A warehouse document, as it is answered."""

    model_config = ConfigDict(from_attributes=True)

    org_id: UUID
    id: UUID
    document_type: str
    status: str
    number: str | None
    from_location_id: UUID | None
    to_location_id: UUID | None
    partner_id: UUID | None
    reference: str | None
    posting_date: date | None
    currency: str
    line_count: int
    total: Decimal
    status_reason: str | None
    reverses: UUID | None
    posted_at: datetime | None
    posted_by: UUID | None
    cancelled_at: datetime | None
    cancelled_by: UUID | None
    version: int
    created_at: datetime
    created_by: UUID | None
    updated_at: datetime
    updated_by: UUID | None


class User(BaseModel):
    """Who asks, as the token says."""

    id: UUID
    org_id: UUID


_KEY = os.environ.get("BENCH_KEY", "")
_sessions: sessionmaker[Session] = sessionmaker(
    create_engine(
        os.environ.get("BENCH_URL", "postgresql+psycopg2://"),
        pool_size=20,
        max_overflow=10,
        pool_timeout=30,
        pool_recycle=1800,
        pool_pre_ping=True,
        pool_use_lifo=True,
    ),
    expire_on_commit=False,
)
_bearer = HTTPBearer()
app = FastAPI()


def session() -> Iterator[Session]:
    """Give a session of the database, and close it after the request."""
    with _sessions() as opened:
        yield opened


def user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]) -> User:
    """Verify the token."""
    try:
        claims = jwt.decode(credentials.credentials, _KEY, algorithms=["HS256"])
        return User(id=claims["sub"], org_id=claims["org_id"])
    except (jwt.InvalidTokenError, KeyError) as error:
        raise HTTPException(401, "the token is not valid") from error


Opened = Annotated[Session, Depends(session)]
Asking = Annotated[User, Depends(user)]


@app.get("/documents/{id}", response_model=DocumentOut)
def read_document(id: UUID, session: Opened, user: Asking) -> Document:
    """Return one document."""
    found = session.get(Document, (user.org_id, id))
    if found is None:
        raise HTTPException(404, "there is no such document")
    return found


@app.get("/documents", response_model=list[DocumentOut])
def list_documents(
    session: Opened,
    user: Asking,
    document_type: str | None = None,
    status: str | None = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Sequence[Document]:
    """Return a page, newest first."""
    query = select(Document).where(Document.org_id == user.org_id)
    if document_type is not None:
        query = query.where(Document.document_type == document_type)
    if status is not None:
        query = query.where(Document.status == status)
    if before is not None:
        query = query.where(Document.id < before)
    return session.scalars(query.order_by(Document.id.desc()).limit(limit)).all()


# A warehouse's movements by balance, in key order.
_CHANGES = text("""
select s.item_id, s.location_id, s.warehouse_id, sum(s.delta) as delta
from (
  select l.item_id, l.from_position_id as location_id, d.from_location_id as warehouse_id, -l.quantity_base as delta
  from wms.document_line as l join wms.document as d on d.org_id = l.org_id and d.id = l.document_id
  where l.org_id = :org and l.document_id = :id and d.from_location_id is not null
  union all
  select l.item_id, l.to_position_id, d.to_location_id, l.quantity_base
  from wms.document_line as l join wms.document as d on d.org_id = l.org_id and d.id = l.document_id
  where l.org_id = :org and l.document_id = :id and d.to_location_id is not null
) as s
group by s.item_id, s.location_id, s.warehouse_id
order by s.item_id, s.location_id
""")
_LOCK = text("""
select b.id, b.quantity - b.reserved as available, b.item_id, b.location_id
from wms.balance as b
where b.org_id = :org and b.item_id = any(:items) and b.location_id = any(:places) and b.lot_id is null
order by b.item_id, b.location_id
for update
""")
_MOVE = text("""
update wms.balance as b set quantity = b.quantity + c.delta, updated_at = now()
from unnest(cast(:ids as uuid[]), cast(:deltas as numeric[])) as c (id, delta)
where b.org_id = :org and b.id = c.id
""")
_LEDGER = text("""
insert into wms.stock_ledger (org_id, item_id, location_id, delta, document_id, line_id, occurred_at)
select l.org_id, l.item_id, s.location_id, s.delta, l.document_id, l.id, date_trunc('milliseconds', now())
from wms.document_line as l
cross join lateral (values (l.from_position_id, -l.quantity_base), (l.to_position_id, l.quantity_base))
  as s (location_id, delta)
where l.org_id = :org and l.document_id = :id
""")
_NUMBER = text("""
insert into core.number_counter as c (org_id, series_id, period, last_number)
select s.org_id, s.id, case s.reset when 'YEAR' then :year else '' end, 1
from core.number_series as s
where s.org_id = :org and s.document_type = :type and s.unit_id is null
on conflict on constraint number_counter_pkey do update set last_number = c.last_number + 1
returning
  c.last_number,
  (select s.pattern from core.number_series as s where s.org_id = c.org_id and s.id = c.series_id) as pattern
""")
_REGISTER = text(
    "insert into core.number_register (org_id, document_type, number, entity_id) values (:org, :type, :number, :id)"
)


@app.post("/documents/{id}/post", response_model=DocumentOut)
def post_document(id: UUID, session: Opened, user: Asking) -> Document:
    """Post a draft: move its stock, give it a number."""
    with session.begin():
        key: dict[str, Any] = {"org": user.org_id, "id": id}
        document = session.get(Document, (user.org_id, id), with_for_update=True)
        if document is None:
            raise HTTPException(404, "there is no such document")
        if document.status != "DRAFT" or not document.line_count:
            raise HTTPException(409, "the document is no draft with lines")
        changes = session.execute(_CHANGES, key).all()
        held = {
            (balance.item_id, balance.location_id): balance
            for balance in session.execute(
                _LOCK, {**key, "items": [c.item_id for c in changes], "places": [c.location_id for c in changes]}
            )
        }
        for change in changes:
            balance = held.get((change.item_id, change.location_id))
            if balance is None or balance.available + change.delta < 0:
                raise HTTPException(422, f"not enough of {change.item_id}")
        ids = [held[c.item_id, c.location_id].id for c in changes]
        session.execute(_MOVE, {**key, "ids": ids, "deltas": [c.delta for c in changes]})
        session.execute(_LEDGER, key)
        now = datetime.now(UTC)
        kind = "wms." + document.document_type.lower()
        count, pattern = session.execute(_NUMBER, {**key, "type": kind, "year": str(now.year)}).one()
        number = re.sub(r"\{number:?(\d*)\}", lambda found: str(count).zfill(int(found[1] or 1)), pattern)
        document.number = number.replace("{year}", str(now.year)).replace("{unit}", "")
        document.status = "POSTED"
        document.posting_date = now.date()
        document.posted_at = now
        document.posted_by = user.id
        session.flush()
        session.execute(_REGISTER, {**key, "type": kind, "number": document.number})
        session.refresh(document)
    return document
