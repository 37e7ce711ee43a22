"""Migration files: their names, headers, order, and the LEDGER that freezes released ones.

`migrations/VNNNN__<domain>_<what>.sql` runs once; `migrations/VNNNN__<domain>_<what>.check.sql` beside it is a query
whose rows stop it. `migrations/LEDGER` has one line `sha256  filename` for each released file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from erpgres import settings
from erpgres.errors import Refused
from erpgres.migrate import sqlfile
from erpgres.migrate.sqlfile import Statement

FOLDER = "migrations"
LEDGER = "LEDGER"
HEADERS = ("domain", "why", "locks", "breaking")
ENCODING_MARK = "/* pgmigrate-encoding: utf-8 */"
NONTRANSACTIONAL = "NONTRANSACTIONAL"
AHEAD = "ahead"
_NAME = re.compile(
    r"V(?P<version>\d{4})__(?P<what>[a-z][a-z0-9_]*(?:NONTRANSACTIONAL[a-z0-9_]*)?)(?P<check>\.check)?\.sql"
)
_HEADER = re.compile(r"^-- (?P<key>[a-z]+):\s*(?P<value>.*)$")
_ACCEPT = re.compile(r"(?P<rule>[a-z_]+(?:\.[a-z_]+)?)(?::\s*(?P<reason>.*))?")


@dataclass(frozen=True)
class Migration:
    """One migration file. `sha256` covers the file alone, `check` is the path of its data pre-check."""

    version: int
    path: Path
    domain: str
    sha256: str
    released: bool
    check: Path | None
    header: dict[str, str]

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def transactional(self) -> bool:
        """Whether it runs inside the migration transaction."""
        return NONTRANSACTIONAL not in self.path.name

    @property
    def accepts(self) -> list[tuple[str, str]]:
        """What findings of `erpgres migrate plan` its header accepts; see `read_accepts`."""
        return read_accepts(self.path.read_text(encoding="utf-8"))

    @property
    def ahead(self) -> bool:
        """Whether it is committed by itself, before the migrations after it and the layer."""
        return self.header.get("apply") == AHEAD

    @property
    def needs(self) -> list[str]:
        """The back-fills that must be complete before it."""
        return re.findall(r"[a-z0-9_]+", self.header.get("backfill", ""))


def domain_of(what: str, domains: list[str]) -> str | None:
    """Return the domain that a migration's name begins with, or None."""
    return next((domain for domain in domains if what.startswith(f"{domain}_") and what != f"{domain}_"), None)


def read_ledger(root: Path) -> dict[str, str]:
    """Return {file name: sha256} of the released files, in the order of the LEDGER."""
    path = root / FOLDER / LEDGER
    ledger: dict[str, str] = {}
    if not path.exists():
        return ledger
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line)
        if match is None:
            raise Refused(f"{FOLDER}/{LEDGER} line {number}: expected `sha256  filename`")
        if match[2] in ledger:
            raise Refused(f"{FOLDER}/{LEDGER} line {number}: {match[2]} stands there twice")
        ledger[match[2]] = match[1]
    return ledger


def read_header(text: str) -> dict[str, str]:
    """Return the `-- key: value` lines at the top of a migration; a value may go on in following comment lines."""
    header: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line.strip() == ENCODING_MARK:
            continue
        if not line.startswith("--"):
            break
        match = _HEADER.match(line)
        if match:
            key = match["key"]
            header[key] = match["value"].strip()
        elif key:
            header[key] = f"{header[key]} {line.removeprefix('--').strip()}".strip()
    return header


def read_accepts(text: str) -> list[tuple[str, str]]:
    """Return (rule, reason) of the lines `-- accept: RULE: reason` at the top of a file; the reason may be empty."""
    found: list[tuple[str, str]] = []
    going_on = False
    for line in text.splitlines():
        if line.strip() == ENCODING_MARK:
            continue
        if not line.startswith("--"):
            break
        match = _HEADER.match(line)
        if match:
            going_on = match["key"] == "accept"
            if going_on:
                accepted = _ACCEPT.fullmatch(match["value"].strip())
                found.append((accepted["rule"], accepted["reason"] or "") if accepted else (match["value"].strip(), ""))
        elif going_on:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.removeprefix('--').strip()}".strip())
    return found


def read_migrations(root: Path = settings.ROOT, domains: list[str] | None = None) -> list[Migration]:
    """Return all migrations in order; raises Refused for anything that may not be applied.

    Refused are: a bad name, a missing header, non-ASCII text without pgmigrate's marker, a gap, a duplicate number,
    a released file that changed or is gone, and an unreleased file older than a released one.
    """
    names = settings.DOMAINS if domains is None else domains
    folder = root / FOLDER
    ledger = read_ledger(root)
    found: dict[int, Migration] = {}
    checks: dict[str, Path] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.suffix != ".sql":
            if path.name.startswith("V"):
                raise Refused(f"{FOLDER}/{path.name}: a migration ends in .sql")
            continue
        match = _NAME.fullmatch(path.name)
        domain = domain_of(match["what"], names) if match else None
        if match is None or domain is None:
            raise Refused(
                f"{FOLDER}/{path.name}: the name must be VNNNN__<domain>_<what>.sql",
                f"four digits, two underscores, one of {', '.join(names)}, lower case: V0042__core_partner_email.sql",
            )
        if match["check"]:
            checks[path.name.replace(".check.sql", ".sql")] = path
            _text(path, root)
            continue
        version = int(match["version"])
        if version in found:
            raise Refused(
                f"two migrations have the number {version}: {found[version].name} and {path.name}",
                "rename the one that is not released to the next free number",
            )
        header = read_header(_text(path, root))
        _check_header(path.name, header, domain)
        sha256 = sqlfile.digest(path)
        _check_ledger(path.name, sha256, ledger)
        check = folder / path.name.replace(".sql", ".check.sql")
        found[version] = Migration(
            version, path, domain, sha256, path.name in ledger, check if check.exists() else None, header
        )
    migrations = [found[version] for version in sorted(found)]
    _check_whole(migrations, ledger, checks)
    return migrations


def _text(path: Path, root: Path) -> str:
    """Read a migration and refuse characters that pgmigrate refuses."""
    shown = sqlfile.name_of(path, root)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{shown}: not UTF-8 ({error.reason} at byte {error.start})") from None
    if ENCODING_MARK not in text and not text.isascii():
        position = next(index for index, char in enumerate(text) if not char.isascii())
        line = text.count("\n", 0, position) + 1
        raise Refused(
            f"{shown} line {line}: {text[position]!r} is not an ASCII character",
            f"write it in ASCII, or put {ENCODING_MARK} on the first line if it is meant",
        )
    return text


def _check_header(name: str, header: dict[str, str], domain: str) -> None:
    missing = [key for key in HEADERS if not header.get(key)]
    if missing:
        raise Refused(
            f"{FOLDER}/{name}: the header lacks {', '.join(f'`-- {key}:`' for key in missing)}",
            "erpgres migrate new writes a file with the header",
        )
    if header["domain"] != domain:
        raise Refused(f"{FOLDER}/{name}: the header says domain {header['domain']}, the name says {domain}")
    if header["breaking"].split()[0] not in ("yes", "no"):
        raise Refused(f"{FOLDER}/{name}: `-- breaking:` must be yes or no")
    if header.get("apply", AHEAD) != AHEAD:
        raise Refused(f"{FOLDER}/{name}: `-- apply:` is {AHEAD}, or left out")


def _check_ledger(name: str, sha256: str, ledger: dict[str, str]) -> None:
    if name in ledger and ledger[name] != sha256:
        raise Refused(
            f"{FOLDER}/{name} was changed after its release: {FOLDER}/{LEDGER} has {ledger[name][:12]}…, "
            f"the file has {sha256[:12]}…",
            "put the released text back, and write the change as a new migration",
        )


def _check_whole(migrations: list[Migration], ledger: dict[str, str], checks: dict[str, Path]) -> None:
    names = {migration.name for migration in migrations}
    for name in ledger:
        if name not in names:
            raise Refused(f"{FOLDER}/{LEDGER} has {name}, which is not there", "a released file is never removed")
    for name, path in checks.items():
        if name not in names:
            raise Refused(f"{FOLDER}/{path.name}: there is no migration {name} for this check")
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise Refused(f"migration {expected:04} is missing: {migration.name} comes after {expected - 1:04}")
    newest = max((migration.version for migration in migrations if migration.released), default=0)
    for migration in migrations:
        if not migration.released and migration.version < newest:
            raise Refused(
                f"{FOLDER}/{migration.name} is not in {FOLDER}/{LEDGER}, but a newer migration is released",
                "give it the next free number",
            )


def statements(migration: Migration, root: Path) -> list[Statement]:
    """Return the pre-check (if any) and the statements of a migration."""
    found: list[Statement] = []
    if migration.check is not None:
        found += sqlfile.read(migration.check, root, is_check=True)
    return found + sqlfile.read(migration.path, root)


def release(root: Path = settings.ROOT, domains: list[str] | None = None) -> list[str]:
    """Add the unreleased migrations to the LEDGER; returns their file names."""
    new = [migration for migration in read_migrations(root, domains) if not migration.released]
    for migration in new:
        unsaid = [key for key, value in migration.header.items() if value.startswith(UNSAID)]
        if unsaid:
            raise Refused(f"{FOLDER}/{migration.name}: the header does not say {', '.join(unsaid)} yet")
        if not sqlfile.read(migration.path, root):
            raise Refused(f"{FOLDER}/{migration.name} holds no statement")
        statements(migration, root)
    if new:
        with (root / FOLDER / LEDGER).open("a", encoding="utf-8", newline="\n") as ledger:
            ledger.writelines(f"{migration.sha256}  {migration.name}\n" for migration in new)
    return [migration.name for migration in new]


UNSAID = "say here "
TEMPLATE = """\
-- domain: {domain}
-- why: say here what cannot be done without this change
-- locks: say here which tables are locked, how (see the lock table in docs), and for how long
-- breaking: no

"""


def new(
    domain: str, what: str, root: Path = settings.ROOT, domains: list[str] | None = None, *, text: str = ""
) -> Path:
    """Write the next migration, with the text or a header to fill in, and return its path.

    A `what` that begins with NONTRANSACTIONAL makes one that runs in steps.
    """
    names = settings.DOMAINS if domains is None else domains
    if domain not in names:
        raise Refused(f"no such domain: {domain}", f"one of {', '.join(names)}")
    marked = what.removeprefix(NONTRANSACTIONAL)
    slug = re.sub(r"[^a-z0-9]+", "_", marked.lower()).strip("_")
    if slug and marked != what:
        slug = f"{NONTRANSACTIONAL}_{slug}"
    if not slug:
        raise Refused("say in a few words what the migration does", "erpgres migrate new core 'partner email'")
    migrations = read_migrations(root, domains)
    version = migrations[-1].version + 1 if migrations else 1
    path = root / FOLDER / f"V{version:04}__{domain}_{slug}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or TEMPLATE.format(domain=domain), encoding="utf-8")
    return path
