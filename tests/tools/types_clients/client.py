"""A small client of the API. The test checks it against the generated types, as it is and with mistakes in it."""

import json
from collections.abc import Callable

from erpgres_types import (
    PartnersUpdate,
    WmsDocumentCreateArgs,
    WmsDocumentCreateResult,
    WmsDocumentsRow,
)

Send = Callable[[str, object], str]


def shipped(get: Callable[[str], str], send: Send) -> list[str]:
    """Return the numbers of what was posted, and the id of a draft that was made."""
    rows: list[WmsDocumentsRow] = json.loads(get("/api/wms_documents?order=id.desc"))
    change: PartnersUpdate = {"credit_limit": 1000, "currency": "USD"}
    send("/api/partners?code=eq.NORDKAP", change)
    arguments: WmsDocumentCreateArgs = {"document_type": "TRANSFER", "lines": [{"item_id": "a", "quantity": 1}]}
    made: WmsDocumentCreateResult = json.loads(send("/api/rpc/wms_document_create", arguments))
    total = sum(row["total"] for row in rows)
    return [row["number"] or "" for row in rows if row["status"] == "POSTED"] + [made["id"], str(total)]
