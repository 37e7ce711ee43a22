"""What mypy is to say of the helper in Python; each `type: ignore` is a mistake that it finds."""

from collections.abc import Iterator

from erpgres_types import CountriesRow, PartnersRow, PartnersUpdate
from postgrest import SyncSelectRequestBuilder

from erpgres import Conflict, connect, pages, total, update, uuid7

erp = connect("https://erp.example.com", token=lambda renew: "new" if renew else "old")


def active() -> SyncSelectRequestBuilder:
    return erp.from_("partners").select("id", "name").eq("status", "ACTIVE")


def names() -> Iterator[str]:
    for page in pages(active, PartnersRow, by="name", descending=False, size=50):
        yield page[0]["name"]
        yield page[0]["nmae"]  # type: ignore[typeddict-item]


def rename(partner: PartnersRow, country: CountriesRow) -> PartnersRow:
    change: PartnersUpdate = {"name": str(total(active)), "note": uuid7()}
    try:
        changed = update(erp, "partners", partner, change)
    except Conflict as error:
        return rename(error.current, country)
    print(changed["nmae"])  # type: ignore[typeddict-item]
    update(erp, "countries", country, {"name": "x"})  # type: ignore[type-var]
    connect("https://erp.example.com", token="a token")  # type: ignore[arg-type]
    return changed
