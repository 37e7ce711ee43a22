"""The state directory: everything one running stack owns on disk, and where to find it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from erpgres.errors import CannotRun
from erpgres.settings import ROOT
from erpgres.stack.machine import Account, service_account

DEFAULT_PORT = 8400
DEFAULT_DATABASE = "erpgres"
DEFAULT_API_POOL = 20
ROLES_WITH_PASSWORD = ("postgres", "authenticator", "migrator", "analyst", "relay", "worker", "monitor")
ROOT_HOME = Path("/var/lib/erpgres")

# Settings of the environment that `up` remembers, as a prefix or whole.
_REMEMBERED = (
    "ERPGRES_RATE_", "ERPGRES_REALTIME_", "ERPGRES_CORS_ORIGINS", "ERPGRES_TRUSTED_PROXIES", "ERPGRES_SMTP_",
    "ERPGRES_APP_URL",
)  # fmt: skip
_FORMAT = 1
# sun_path holds 108 bytes with the final NUL; PostgreSQL's socket is the longest name put into `run`.
_SOCKET_LIMIT = 107
_LONGEST_SOCKET = ".s.PGSQL.65535.lock"


def default_path() -> Path:
    """Return the state directory used when none is named: outside the checkout for root, inside it for a user."""
    if os.geteuid() == 0:
        digest = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]
        return ROOT_HOME / f"{ROOT.name}-{digest}"
    return ROOT / ".erpgres"


class State:
    """One state directory. Making the object reads `state.json` if it is there and touches nothing."""

    def __init__(self, path: Path | str | None = None) -> None:
        """Raise CannotRun when the path cannot be used or its `state.json` is not one of ours."""
        self.path = (Path(path).expanduser() if path else default_path()).resolve()
        if any(mark in str(self.path) for mark in ("\n", "\r", " ;", " #", "\0")):
            raise CannotRun(
                f"the state directory's path holds a line break, ' ;' or ' #': {self.path}",
                "choose another with --state",
            )
        self._data: dict[str, Any] = {
            "version": _FORMAT,
            "port": DEFAULT_PORT,
            "database_url": None,
            "database": DEFAULT_DATABASE,
            "api_pool": DEFAULT_API_POOL,
            "is_api_only": False,
            "jwks": None,
            "key_retires_at": None,
            "settings": {},
        }
        try:
            loaded = json.loads((self.path / "state.json").read_text())
            if loaded.get("version") != _FORMAT:
                raise CannotRun(
                    f"{self.path} was written by another version of Erpgres", "use that version, or another --state"
                )
            self._data.update(loaded)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            raise CannotRun(
                f"the state directory {self.path} belongs to somebody else", "run this as its owner"
            ) from error
        except (ValueError, AttributeError, NotADirectoryError) as error:
            raise CannotRun(f"{self.path} is not a state directory", "choose another with --state") from error

    # ---- where things are ------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Say whether `up` has ever made this directory."""
        return (self.path / "state.json").is_file()

    @property
    def id(self) -> str:
        """The mark by which processes of this stack are known (16 hexadecimal digits)."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]

    @property
    def etc(self) -> Path:
        """Generated configuration."""
        return self.path / "etc"

    @property
    def log(self) -> Path:
        """Log files, one a part."""
        return self.path / "log"

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys; only the caller may enter."""
        return self.path / "secrets"

    @property
    def tls(self) -> Path:
        """The generated certificate (`ca.pem`, `cert.pem`, `key.pem`)."""
        return self.path / "tls"

    @property
    def site(self) -> Path:
        """What the gateway serves from the disk: `docs/`, the documentation, once `erpgres docs build` has made it."""
        return self.path / "site"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "postgres"

    @property
    def run(self) -> Path:
        """Sockets and pid files of the services; a short directory under the temporary one if need be."""
        return self._short("run")

    @property
    def control(self) -> Path:
        """Socket and pid file of supervisord; only the caller may enter."""
        return self._short("control")

    def _short(self, name: str) -> Path:
        path = self.path / name
        # A comma separates hosts in libpq: such a directory cannot be named as a socket's.
        if len(os.fsencode(path / _LONGEST_SOCKET)) <= _SOCKET_LIMIT and "," not in str(path):
            return path
        return Path(tempfile.gettempdir()).resolve() / f"erpgres-{self.id}-{name}"

    @property
    def supervisor_socket(self) -> Path:
        """The socket supervisord is spoken to on."""
        return self.control / "supervisor.sock"

    @property
    def postgrest_socket(self) -> Path:
        """The unix socket PostgREST listens on (mode 660)."""
        return self.run / "postgrest.sock"

    @property
    def relay_socket(self) -> Path:
        """The unix socket the relay listens on (mode 660)."""
        return self.run / "relay.sock"

    @property
    def bindir(self) -> Path:
        """PostgreSQL's programs, unpacked if they were not yet."""
        from erpgres.stack import runtime

        return runtime.postgres_bin()

    @property
    def postgrest_binary(self) -> Path:
        """The PostgREST program."""
        from erpgres.stack import runtime

        return runtime.postgrest()

    @property
    def nginx_binary(self) -> Path:
        """The nginx program."""
        from erpgres.stack import runtime

        return runtime.nginx()

    # ---- what was decided ------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Port of the gateway (http); the three after it are PostgreSQL's, PostgREST's admin server's and https."""
        return int(self._data["port"])

    @port.setter
    def port(self, value: int) -> None:
        self._data["port"] = value

    @property
    def postgres_port(self) -> int:
        """Port of PostgreSQL on the loopback, and in the name of its unix socket."""
        return self.port + 1

    @property
    def admin_port(self) -> int:
        """Port of PostgREST's admin server (/live, /ready)."""
        return self.port + 2

    @property
    def https_port(self) -> int:
        """Port of the gateway (https)."""
        return self.port + 3

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str | None:
        """The PostgreSQL that is used instead of a local one, as its DBA gave it, or None."""
        value = self._data["database_url"]
        return None if value is None else str(value)

    @database_url.setter
    def database_url(self, value: str | None) -> None:
        self._data["database_url"] = value
        if value is not None:
            from psycopg.conninfo import conninfo_to_dict

            named = conninfo_to_dict(value).get("dbname")
            self._data["database"] = DEFAULT_DATABASE if named in (None, "postgres", "template1") else str(named)

    @property
    def database(self) -> str:
        """Name of the database: `erpgres`, or the one that --database-url names."""
        return str(self._data["database"])

    @property
    def api_pool(self) -> int:
        """Connections PostgREST may hold."""
        return int(self._data["api_pool"])

    @api_pool.setter
    def api_pool(self, value: int) -> None:
        self._data["api_pool"] = value

    @property
    def is_api_only(self) -> bool:
        """Whether the stack only answers requests: neither relay nor worker runs, so nothing happens by itself."""
        return bool(self._data["is_api_only"])

    @is_api_only.setter
    def is_api_only(self, value: bool) -> None:
        self._data["is_api_only"] = value

    @property
    def jwks(self) -> Path | None:
        """File with the public keys of an outside identity provider, or None."""
        value = self._data["jwks"]
        return None if value is None else Path(value)

    @jwks.setter
    def jwks(self, value: Path | None) -> None:
        self._data["jwks"] = None if value is None else str(value)

    @property
    def key_retires_at(self) -> float | None:
        """When the previous key of the tokens ends, in seconds since 1970; None when there is none."""
        value = self._data["key_retires_at"]
        return None if value is None else float(value)

    @key_retires_at.setter
    def key_retires_at(self, value: float | None) -> None:
        self._data["key_retires_at"] = value

    def setting(self, name: str, default: str) -> str:
        """Return a setting of the environment: what it says now, else what it said at the last `up`, else the default.

        Given empty it is the default again.
        """
        return os.environ.get(name, self._data["settings"].get(name, "")) or default

    def _remember(self) -> None:
        settings = {k: v for k, v in os.environ.items() if k.startswith(_REMEMBERED)}
        self._data["settings"] = {k: v for k, v in {**self._data["settings"], **settings}.items() if v}

    @cached_property
    def account(self) -> Account | None:
        """The account that runs the services, or None when it is the caller."""
        return service_account()

    @property
    def owner(self) -> str | None:
        """Name of the account that runs the services, or None when it is the caller."""
        return self.account.name if self.account else None

    def secret(self, name: str) -> str:
        """Return a secret by its file name (`jwt.key`) or a password by its role (`migrator`). Raises CannotRun."""
        for candidate in (self.secrets / name, self.secrets / f"password.{name}"):
            try:
                return candidate.read_text().strip()
            except FileNotFoundError:
                continue
            except PermissionError as error:
                raise CannotRun(
                    f"the secrets in {self.secrets} belong to somebody else", "run this as their owner"
                ) from error
        raise CannotRun(f"there is no secret {name} in {self.secrets}", "`erpgres up -d` makes them")

    def dsn(self, role: str = "migrator", database: str | None = None) -> str:
        """Return a libpq connection string with the password of `role`; "postgres" is the superuser or DBA.

        With --database-url, host and the rest come from it, and "postgres" means the user it names; that user
        connects to the database of the URL unless `database` says otherwise.
        """
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        if self.database_url is None:
            return make_conninfo(
                host=str(self.run),
                port=self.postgres_port,
                user=role,
                password=self.secret(role),
                dbname=database or ("postgres" if role == "postgres" else self.database),
                application_name="erpgres",
            )
        parts: dict[str, Any] = {"application_name": "erpgres", **conninfo_to_dict(self.database_url)}
        if role == "postgres":
            parts["dbname"] = database or parts.get("dbname") or "postgres"
        else:
            parts.update(user=role, password=self.secret(role), dbname=database or self.database)
        return make_conninfo(**parts)

    # ---- making it -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directories and the secrets that are missing, and set owners and modes. Raises CannotRun."""
        try:
            if os.geteuid() == 0 and ROOT_HOME in self.path.parents:
                ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            if not self.exists and any(entry.name not in ("lock", "log") for entry in self.path.iterdir()):
                raise CannotRun(
                    f"{self.path} holds files but no state.json", "choose an empty or new directory with --state"
                )
            self.path.chmod(0o711)
            self._own_directory(self.secrets, 0o700, service=False)
            self._own_directory(self.control, 0o700, service=False)
            self._own_directory(self.log, 0o755, service=True)
            self._own_directory(self.etc, 0o755, service=False)
            self._own_directory(self.tls, 0o755, service=True)
            self._own_directory(self.run, 0o711, service=True)
            self._make_secret("jwt.key", secrets.token_urlsafe(48))
            self._make_secret("digest.key", secrets.token_urlsafe(48))
            for role in ROLES_WITH_PASSWORD:
                self._make_secret(f"password.{role}", secrets.token_urlsafe(30))
            self._remember()
            self.save()
        except PermissionError as error:
            raise CannotRun(
                f"the state directory {self.path} cannot be written: {error.strerror}", "name another with --state"
            ) from error

    def save(self) -> None:
        """Write `state.json`; it may hold the password inside --database-url, so only the caller may read it."""
        self.write(self.path / "state.json", json.dumps(self._data, indent=2) + "\n", mode=0o600)

    def write(self, path: Path, text: str, *, mode: int = 0o644, service: bool = False) -> bool:
        """Write a file whole or not at all, for the service account if `service`; return whether its text is new."""
        try:
            changed = path.read_text() != text
        except FileNotFoundError:
            changed = True
        if changed:
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            with os.fdopen(handle, "w") as file:
                file.write(text)
            Path(temporary).chmod(mode)
            if service:
                self.give(Path(temporary))
            Path(temporary).replace(path)
        else:
            path.chmod(mode)
            if service:
                self.give(path)
        return changed

    def give(self, path: Path) -> None:
        """Make the service account the owner of a file or directory (nothing to do unless root)."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against another `up`, `down` or `reset`; waits for its turn. Raises CannotRun."""
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            handle = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise CannotRun(
                f"the state directory {self.path} cannot be used: {error.strerror}", "name another with --state"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make_secret(self, name: str, value: str) -> None:
        path = self.secrets / name
        try:
            if path.stat().st_size > 0:
                return
        except FileNotFoundError:
            pass
        self.write(path, value + "\n", mode=0o600)

    def _own_directory(self, path: Path, mode: int, *, service: bool) -> None:
        """Make a directory, or take over ours; one that somebody else made under the temporary directory is refused."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            found = path.lstat()
            allowed = {os.geteuid()} | ({self.account.uid} if self.account else set())
            foreign = not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed
            if foreign and (path.parent != self.path or os.geteuid() != 0):
                raise CannotRun(f"{path} is not ours", "remove it, or name another state directory") from None
        if service:
            self.give(path)
        elif os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(mode)
