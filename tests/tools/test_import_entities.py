"""Every entity that can be imported: what its rows become, what is refused, and that a second time changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Organization
from erpgres.settings import ROOT
from erpgres.stack.state import State
from tools.imports import counts, load, rows_of, write_csv

Db = psycopg.Connection[Any]


@dataclass(frozen=True)
class Case:
    """A file, what becomes of it, and one with a wrong row for each code."""

    entity: str
    csv: str
    query: str
    rows: list[tuple[Any, ...]]
    bad: str = ""
    codes: tuple[str, ...] = ()


# In the order in which they build on one another.
CASES = [
    Case(
        "org_units",
        "parent,code,kind,name\nHQ/FIN,AP,section,Payables\n,HQ,branch,Head office\nHQ,FIN,department,Finance\n",
        "select concat_ws('/', p.code, u.code), u.kind, nlevel(u.path) from core.org_unit u left join core.org_unit p"
        " on p.org_id = u.org_id and p.id = u.parent_id where u.org_id = %(org)s order by 1",
        [("FIN/AP", "SECTION", 3), ("HQ", "BRANCH", 1), ("HQ/FIN", "DEPARTMENT", 2)],
        "parent,code,kind,name\nNOWHERE,X,SECTION,X\nBAD,Y,SECTION,Y\n,BAD,TRIBE,Bad\n",
        ("core.import_reference", "core.import_reference", "core.import_choice"),
    ),
    Case(
        "wms_warehouses",
        "code,name,unit\nW1,First,HQ/FIN\nW2,Second,\n",
        "select l.code, u.code, (select count(*) from core.location p where p.org_id = l.org_id and p.parent_id = l.id)"
        " from core.location l left join core.org_unit u on u.org_id = l.org_id and u.id = l.unit_id"
        " where l.org_id = %(org)s and l.kind = 'WAREHOUSE' order by 1",
        [("W1", "FIN", 4), ("W2", None, 4)],
        "code,name,unit\nW1,Renamed,\nW3,Third,HQ/XX\nLOSS,Fourth,\n",
        ("core.import_fixed", "core.import_reference", "wms.place_exists"),
    ),
    Case(
        "locations",
        "parent,code,kind,name,unit,capacity,capacity_unit,lat,lon\n"
        "W1/STORAGE,R1,rack,Rack 1,HQ,10,MTQ,,\nW1/STORAGE/R1,S1,shelf,Shelf 1,,,,,\n,CTG,port,Port,,,,22.3,91.8\n",
        "select l.code, l.kind, u.code, l.capacity::float, l.latitude::float from core.location l"
        " left join core.org_unit u on u.org_id = l.org_id and u.id = l.unit_id"
        " where l.org_id = %(org)s and l.kind in ('RACK', 'SHELF', 'PORT') order by 1",
        [("CTG", "PORT", None, None, 22.3), ("R1", "RACK", "HQ", 10.0, None), ("S1", "SHELF", None, None, None)],
        "parent,code,kind,name,unit,capacity,capacity_unit,time_zone\nW9,A,RACK,A,,,,\n,B,WAREHOUSE,B,,,,\n"
        ",C,PORT,C,HQ/NO,,,\n,D,PORT,D,,-1,MTQ,\n,E,PORT,E,,5,,\n,F,PORT,F,,,,Mars/Base\n",
        ("core.import_reference", "core.import_choice", "core.import_reference", "core.import_not_positive",
         "core.import_constraint", "core.time_zone_unknown"),
    ),
    Case(
        "partners",
        "code,name,country,vat,currency,limit,roles\nP1,One,bd,V1,USD,1000.5,customer; buyer\nP2,Two,,,,,\n",
        "select p.code, p.country_code, p.credit_limit::float, array_agg(r.role order by r.role) filter (where r.role"
        " is not null) from core.partner p left join core.partner_role r on r.org_id = p.org_id and r.partner_id = p.id"
        " where p.org_id = %(org)s group by p.org_id, p.id order by 1",
        [("P1", "BD", 1000.5, ["BUYER", "CUSTOMER"]), ("P2", None, None, None)],
        "code,name,country,vat,currency,limit,roles\nP3,Three,XX,,,,\nP4,Four,,V1,,,\nP5,Five,,,,5,\n"
        "P6,Six,,,USD,-5,\nP7,Seven,,,,,KING\nP8,Eight,,V8,,,\nP9,Nine,,V8,,,\n",
        ("core.import_reference", "core.import_taken", "core.import_required", "core.import_negative",
         "core.import_choice", "core.import_duplicate"),
    ),
    Case(
        "contacts",
        "partner,name,email,phone,primary\nP1,Anna,anna@example.com,,yes\nP1,Bert,,123,no\n",
        "select c.name, c.email, c.phone, c.is_primary from core.contact c where c.org_id = %(org)s order by 1",
        [("Anna", "anna@example.com", None, True), ("Bert", None, "123", False)],
        "partner,name,email,phone,primary\nPX,Carl,,1,\nP1,Dora,,,\nP1,Emil,emil at home,,\n"
        "P1,Fred,,1,yes\nP1,Gina,,1,maybe\n",
        ("core.import_reference", "core.import_unreachable", "core.import_email", "core.import_constraint",
         "core.import_boolean"),
    ),
    Case(
        "addresses",
        "partner,type,street,city,country,locode\nP1,ship_to,1 Port Road,Chattogram,BD,BDCGP\nP1,bill to,,,,\n",
        "select a.kind, a.line1, a.locode from core.address a where a.org_id = %(org)s",
        [("SHIP_TO", "1 Port Road", "BDCGP")],
        "partner,type,street,city,country,locode\nP1,BILL_TO,1 Road,Dhaka,BD,INBOM\nP1,BILL_TO,2 Road,Dhaka,ZZ,\n",
        ("core.import_locode", "core.import_reference"),
    ),
    Case(
        "items",
        "sku,name,class,unit,tracking,shelf_life\nI1,One,goods,h87,,\nI2,Two,yarn,kgm,lot,30\n",
        "select i.sku, i.unit_code, i.tracking, i.shelf_life_days from core.item i where i.org_id = %(org)s order by 1",
        [("I1", "H87", "NONE", None), ("I2", "KGM", "LOT", 30)],
        "sku,name,class,unit,tracking,shelf_life,price\nI3,Three,GOODS,XX,,,\nI4,Four,GOODS,H87,,30,\n"
        "I5,Five,GOODS,H87,LOT,1.5,\nI6,Six,GOODS,H87,,,1\n",
        ("core.import_reference", "core.import_constraint", "core.import_integer", "core.import_required"),
    ),
    Case(
        "item_barcodes",
        "ean,sku,unit\n4006381333931,I1,\n4006381333948,I2,XBX\n",
        "select b.barcode, i.sku, b.unit_code from core.item_barcode b join core.item i on i.org_id = b.org_id"
        " and i.id = b.item_id where b.org_id = %(org)s order by 1",
        [("4006381333931", "I1", "H87"), ("4006381333948", "I2", "XBX")],
        "ean,sku,unit\n4006381333931,I2,\n12,I1,\n123456,I9,\n",
        ("core.import_taken", "core.import_barcode", "core.import_reference"),
    ),
    Case(
        "unit_conversions",
        "item,from,to,factor,valid_from\nI1,XBX,H87,12,\n,XBL,KGM,170.5,2026-01-01\n",
        "select c.from_unit, c.factor_numerator::float, c.valid::text from core.unit_conversion c"
        " where c.org_id = %(org)s order by 1",
        [("XBL", 170.5, "[2026-01-01,)"), ("XBX", 12.0, "(,)")],
        "item,from,to,factor,valid_from,valid_to\nI9,XBX,H87,12,,\nI2,XXX,KGM,1,,\nI2,XBX,KGM,0,,\n"
        "I2,XBX,KGM,1,2026-02-01,2026-01-01\nI1,H87,XBX,1,,\n",
        ("core.import_reference", "core.import_reference", "core.import_not_positive", "core.import_order",
         "core.import_constraint"),
    ),
    Case(
        "exchange_rates",
        "from,to,rate,valid from,source\nEUR,USD,1.0842,2026-01-01,ECB\n",
        "select x.rate::float, x.valid::text, x.source from core.exchange_rate x where x.org_id = %(org)s",
        [(1.0842, "[2026-01-01,)", "ECB")],
        "from,to,rate,valid from,valid_to\nEUX,USD,1,2026-01-01,\nEUR,GBP,0,2026-01-01,\n"
        "EUR,GBP,1,2026-01-02,2026-01-01\n",
        ("core.import_reference", "core.import_not_positive", "core.import_order"),
    ),
    Case(
        "wms_lots",
        "item,batch,best before\nI2,L1,2027-01-31\nI2,L2,\n",
        "select t.lot_no, t.expires_on::text, t.status from wms.lot t where t.org_id = %(org)s order by 1",
        [("L1", "2027-01-31", "APPROVED"), ("L2", None, "APPROVED")],
        "item,batch,best before\nI1,L3,\nI9,L4,\nI2,L5,soon\n",
        ("wms.lot_not_wanted", "core.import_reference", "core.import_date"),
    ),
    Case(
        "wms_opening_stock",
        "warehouse,position,item,lot,qty,unit,price\nW1,,I1,,2,XBX,12\nW1,STORAGE/R1,I2,L1,55.5,,3\nW2,STORAGE,I1,,7,,\n",
        "select w.code, p.code, i.sku, t.lot_no, b.quantity::float from wms.balance b"
        " join core.location w on w.org_id = b.org_id and w.id = b.warehouse_id"
        " join core.location p on p.org_id = b.org_id and p.id = b.location_id"
        " join core.item i on i.org_id = b.org_id and i.id = b.item_id"
        " left join wms.lot t on t.org_id = b.org_id and t.id = b.lot_id where b.org_id = %(org)s order by 1, 3",
        [("W1", "UNASSIGNED", "I1", None, 24.0), ("W1", "R1", "I2", "L1", 55.5), ("W2", "STORAGE", "I1", None, 7.0)],
        "warehouse,position,item,lot,qty,unit,price\nW9,,I1,,2,,\nW1,XX,I1,,2,,\nW1,,I9,,2,,\nW1,,I2,,2,,\nW1,,I2,L9,2,,\n"
        "W1,,I1,L1,2,,\nW1,STORAGE,I1,,-2,,\nW1,,I1,,3,XBX,12\nW2,RECEIVING,I1,,1,MTR,\n",
        ("core.import_reference", "core.import_reference", "core.import_reference", "core.import_required",
         "core.import_reference", "wms.lot_not_wanted", "core.import_not_positive", "wms.opening_stock_differs",
         "core.no_conversion"),
    ),
    Case(
        "records_retention_classes",
        "code,name,years,trigger,action,law\nFIN10,Accounts,10,created,destroy,Tax code 147\n"
        "PERM,Deeds,,created,retain,\n",
        "select code, years, counts_from, disposal, legal_basis from records.retention_class"
        " where org_id = %(org)s order by 1",
        [("FIN10", 10, "CREATED", "DESTROY", "Tax code 147"), ("PERM", None, "CREATED", "RETAIN", None)],
        "code,name,years,trigger,action\nA,A,5,created,retain\nB,B,,created,destroy\nC,C,5,sometime,destroy\n"
        "D,D,-1,created,destroy\n",
        ("records.years_do_not_fit", "records.years_do_not_fit", "core.import_choice", "core.import_constraint"),
    ),
    Case(
        "records_documents",
        "number,title,unit,class,date,closed,label\nV-1,Vouchers,HQ/FIN,FIN10,2020-03-01,,\n"
        "D-1,Deed,HQ/FIN,PERM,2001-01-31,2002-01-31,LBL1\nN-1,Note,HQ/FIN,,2024-01-01,,\n",
        "select d.document_number, u.code, d.kind, d.due_on::text, d.barcode from records.document d"
        " join core.org_unit u on u.org_id = d.org_id and u.id = d.unit_id where d.org_id = %(org)s order by 1",
        [("D-1", "FIN", "PHYSICAL", None, "LBL1"), ("N-1", "FIN", "PHYSICAL", None, None),
         ("V-1", "FIN", "PHYSICAL", "2030-03-01", None)],
        "number,title,unit,class,date,closed\nX-1,X,HQ/NO,,,\nX-2,X,HQ/FIN,NONE,,\nX-3,X,HQ/FIN,,2024-05-01,2024-04-01\n"
        "V-1,Vouchers,HQ,FIN10,2020-03-01,\n",
        ("core.import_reference", "core.import_reference", "core.import_order", "core.import_fixed"),
    ),
    Case(
        "records_crates",
        "crate,document,unit,place,destroy on,permanent\nOLD-1,V-1,HQ/FIN,W1/STORAGE/R1/S1,2035-01-01,\n"
        "OLD-1,N-1,HQ/FIN,W1/STORAGE/R1/S1,2035-01-01,\nHQ/FIN/2019/00001,D-1,HQ/FIN,W1/STORAGE/R1/S1,,yes\n",
        "select c.barcode, d.document_number, l.code, c.destruction_on::text, c.status from records.crate c"
        " join records.custody u on u.org_id = c.org_id and u.crate_id = c.id"
        " join core.location l on l.org_id = u.org_id and l.id = u.location_id"
        " join records.crate_document e on e.org_id = c.org_id and e.crate_id = c.id"
        " join records.document d on d.org_id = e.org_id and d.id = e.document_id"
        " where c.org_id = %(org)s order by 1, 2",
        [("HQ/FIN/2019/00001", "D-1", "S1", None, "ACTIVE"), ("OLD-1", "N-1", "S1", "2035-01-01", "ACTIVE"),
         ("OLD-1", "V-1", "S1", "2035-01-01", "ACTIVE")],
        "crate,document,unit,place,destroy on,permanent\nOLD-2,V-9,HQ/FIN,W1/STORAGE/R1/S1,,yes\n"
        "OLD-2,V-1,HQ/FIN,W1/STORAGE/R1/S1,,yes\nHQ/FIN/2999/00001,N-1,HQ/FIN,W9,2035-01-01,yes\n"
        "OLD-1,N-1,HQ,W1/STORAGE/R1/S1,2035-01-01,\n",
        ("core.import_reference", "records.document_in_crate", "core.import_reference", "core.import_fixed"),
    ),
    Case(
        "wms_reorder_rules",
        "warehouse,sku,min,max,pack size\nW1,I1,10,60,12\nW2,I1,0,5,\n",
        "select w.code, i.sku, r.minimum::float, r.maximum::float, r.multiple::float from wms.reorder_rule r"
        " join core.location w on w.org_id = r.org_id and w.id = r.warehouse_id"
        " join core.item i on i.org_id = r.org_id and i.id = r.item_id where r.org_id = %(org)s order by 1",
        [("W1", "I1", 10.0, 60.0, 12.0), ("W2", "I1", 0.0, 5.0, 1.0)],
        "warehouse,sku,min,max,pack size\nW9,I1,1,2,\nW1/STORAGE,I1,1,2,\nW1,I9,1,2,\nW2,I2,-1,2,\n"
        "W2,I1,0,0,\nW1,I2,5,2,\nW1,I1,1,2,-3\n",
        ("core.import_reference", "core.import_reference", "core.import_reference", "core.import_negative",
         "core.import_not_positive", "core.import_order", "core.import_not_positive"),
    ),
]  # fmt: skip


def refused_codes(db: Db, org: Organization, import_id: Any) -> list[str]:
    found = db.execute(
        "select r.problems -> 0 ->> 'code' from core.import_row r where r.org_id = %s and r.import_id = %s"
        " and r.problems is not null order by r.line",
        [org.id, import_id],
    ).fetchall()
    return [code for (code,) in found]


def test_every_entity_is_imported(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    for case in CASES:
        path = tmp_path / f"{case.entity}.csv"
        path.write_text(case.csv, encoding="utf-8")
        first = load(stack, org, case.entity, path, skip_invalid=True)
        found = rows_of(db, case.query, org)
        assert found == case.rows, case.entity
        # The second address is a kind that there is none of and has nothing else: the only row that is refused here.
        assert counts(first)[0] == len(case.rows), (case.entity, first.first_problems)
        again = load(stack, org, case.entity, path, skip_invalid=True)
        assert counts(again)[:3] == (0, 0, len(case.rows)), (case.entity, again.first_problems)
        assert rows_of(db, case.query, org) == found, case.entity

        path = tmp_path / f"{case.entity}-bad.csv"
        path.write_text(case.bad, encoding="utf-8")
        bad = load(stack, org, case.entity, path, skip_invalid=True)
        assert refused_codes(db, org, bad.id) == list(case.codes), (case.entity, bad.first_problems)


def test_every_entity_is_tested(db: Db) -> None:
    assert {code for (code,) in db.execute("select code from core.import_entity")} == {case.entity for case in CASES}


def test_roles_are_added_to_partners(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    header = ("code", "name", "roles")
    load(stack, org, "partners", write_csv(tmp_path / "a.csv", header, [["P1", "One", "BUYER"], ["P2", "Two", ""]]))
    path = write_csv(tmp_path / "b.csv", header, [["P1", "One", "SUPPLIER"], ["P2", "Two", ""], ["P3", "New", "BANK"]])
    assert counts(load(stack, org, "partners", path)) == (1, 1, 1, 0)
    assert rows_of(
        db, "select p.code, r.role from core.partner_role r join core.partner p on p.org_id = r.org_id"
        " and p.id = r.partner_id where r.org_id = %(org)s order by 1, 2", org,
    ) == [("P1", "BUYER"), ("P1", "SUPPLIER"), ("P3", "BANK")]  # fmt: skip


def test_what_lies_in_a_refused_place_is_refused(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    """The parent passes every check and is refused by its trigger; its child follows, the others are loaded."""
    rows = [["", "A", "SITE", "A", "Mars/Base"], ["A", "B", "ROOM", "B", ""], ["", "C", "SITE", "C", ""]]
    path = write_csv(tmp_path / "a.csv", ("parent", "code", "kind", "name", "time_zone"), rows)
    done = load(stack, org, "locations", path, skip_invalid=True)
    assert counts(done) == (1, 0, 0, 2)
    assert refused_codes(db, org, done.id) == ["core.time_zone_unknown", "core.import_reference"]
    assert load(stack, org, "locations", path).refused == 2


def test_a_user_without_rights_on_what_comes_along(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    """Statuses, roles and documents ask for their permissions as they do through the API."""
    user_id = org.user(["core.import.create", "core.partner.create"])
    row = db.execute("select email from core.app_user where id = %s", [user_id]).fetchone()
    assert row is not None
    path = write_csv(tmp_path / "a.csv", ("code", "name", "roles"), [["P1", "One", "BUYER"], ["P2", "Two", ""]])
    done = load(stack, org, "partners", path, row[0], skip_invalid=True)
    assert counts(done) == (1, 0, 0, 1)
    assert "core.partner_role.create" in done.first_problems[0]


@pytest.mark.parametrize("entity", [case.entity for case in CASES])
def test_the_documentation_lists_the_columns(db: Db, entity: str) -> None:
    page = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    section = page.split(f"### {entity}\n")[1].split("\n### ")[0].split("\n## ")[0]
    columns = db.execute(
        "select c.name, c.type, c.is_required, c.is_key, c.is_fixed from core.import_column c where c.entity = %s"
        " order by c.place",
        [entity],
    ).fetchall()
    lines = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    assert [(cells[0].strip(" `"), cells[1].strip()) for cells in lines] == [(name, kind) for name, kind, *_ in columns]
    for cells, (_, _, is_required, is_key, is_fixed) in zip(lines, columns, strict=True):
        marks = {"required": is_required, "key": is_key, "fixed": is_fixed}
        assert cells[2].strip() == ", ".join(mark for mark, holds in marks.items() if holds)
