"""The TPC-H data set as the business of one organisation: customers, suppliers, items, and every order a posted sale.

DuckDB's TPC-H extension generates the data in the process, without a network. Ids are version 7 UUIDs with the dates of
the data (1992 to 1998), made of the organisation's code, the kind of row and its number: the same scale and code give the
same ids. Everything happens in one transaction: whatever ends it early leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row

from erpgres.data import bulk
from erpgres.data.bulk import Partition, Table
from erpgres.database import connect, reason
from erpgres.errors import CannotRun, Refused

SMALLEST, LARGEST = 0.001, 10.0
COUNTRY, CURRENCY, UNIT = "US", "USD", "H87"
BORN = datetime(1992, 1, 1, tzinfo=UTC)  # the moment that ids of master data carry, and of the first import
MEMORY = "1GB"  # what DuckDB may hold; beyond that it writes to its scratch directory

DOCUMENT, LINE, LEDGER = Table("wms", "document"), Table("wms", "document_line"), Table("wms", "stock_ledger")
PARTITIONED = (DOCUMENT, LINE, LEDGER)

_LOCK_KEY = 4_711_202_602  # advisory lock: one load at a time

# English short names of the generator, as codes of ISO 3166-1.
_COUNTRIES = {
    "ALGERIA": "DZ", "ARGENTINA": "AR", "BRAZIL": "BR", "CANADA": "CA", "CHINA": "CN", "EGYPT": "EG", "ETHIOPIA": "ET",
    "FRANCE": "FR", "GERMANY": "DE", "INDIA": "IN", "INDONESIA": "ID", "IRAN": "IR", "IRAQ": "IQ", "JAPAN": "JP",
    "JORDAN": "JO", "KENYA": "KE", "MOROCCO": "MA", "MOZAMBIQUE": "MZ", "PERU": "PE", "ROMANIA": "RO", "RUSSIA": "RU",
    "SAUDI ARABIA": "SA", "UNITED KINGDOM": "GB", "UNITED STATES": "US", "VIETNAM": "VN",
}  # fmt: skip
