"""Running the relay: one process, one thread, a unix socket that the gateway reaches."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import resource
import socket
import sys
import time
from pathlib import Path

import jwt
import psycopg
import uvicorn
import uvloop

from erpgres.errors import CannotRun
from erpgres.relay.app import App
from erpgres.relay.database import Database
from erpgres.relay.hub import Hub
from erpgres.relay.tokens import Verifier
from erpgres.relay.versions import Versions
from erpgres.stack import gateway, privileges, relay
from erpgres.stack.state import State

MOST_CONNECTIONS = 10_000
_SPARE_FILES = 64
_LATE = (
    *("encodings.idna", "encodings.punycode", "uvicorn.lifespan.off", "uvicorn.loops.uvloop", "websockets.server"),
    *("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.websockets.websockets_sansio_impl"),
)


class _Server(uvicorn.Server):
    """uvicorn's, which lets the hub say good-bye before it closes the connections."""

    hub: Hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.hub.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.hub.stop()
        await super().shutdown(sockets)


def run(state: State) -> None:
    """Serve until SIGTERM or SIGINT, as the service account. Raises CannotRun."""
    if not state.exists:
        raise CannotRun(f"there is no stack in {state.path}", "`erpgres up -d` makes one")
    dsn = state.dsn("relay")
    # As root, what is needed from places that the service account may not enter is loaded before it is given up.
    config = uvicorn.Config(
        "erpgres.relay.server:unused", loop="uvloop", http="h11", ws="websockets-sansio", lifespan="off",
        access_log=False, log_config=None, server_header=False, date_header=False, proxy_headers=False,
        ws_max_size=64 * 1024, ws_per_message_deflate=False, ws_ping_interval=20, ws_ping_timeout=20,
        timeout_graceful_shutdown=3, timeout_keep_alive=5, backlog=2048,
    )  # fmt: skip
    _load_everything(dsn)
    privileges.name_process(relay.PROCESS_NAME)
    privileges.drop(state.account)
    most = min(MOST_CONNECTIONS, _allow_files() - _SPARE_FILES)
    hub = Hub(Database(dsn), most, Versions(dsn, gateway.versions_socket(state)))
    config.app = App(hub, Verifier(relay.keys_file(state)))
    server = _Server(config)
    server.hub = hub
    _log_to_stdout()
    listener = _listen(state.relay_socket)
    logging.getLogger("erpgres.relay").info(
        json.dumps({"what": "start", "socket": str(state.relay_socket), "most_connections": most})
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _load_everything(dsn: str) -> None:
    """Import what is imported late otherwise, by doing once what is done later: failing to query, verifying."""
    for name in _LATE:
        importlib.import_module(name)
    from cryptography.hazmat.primitives.asymmetric import ec

    async def try_out() -> None:
        with contextlib.suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5, autocommit=True) as connection:
                with contextlib.suppress(psycopg.Error):
                    await connection.execute("select %s::jsonb[], null::xid8, 1/0", [["{}"]], prepare=True)

    uvloop.run(try_out())
    key = ec.generate_private_key(ec.SECP256R1())
    jwt.decode(jwt.encode({"exp": time.time() + 60}, key, "ES256"), key.public_key(), ["ES256"])


def _listen(path: Path) -> socket.socket:
    """Bind the socket, in place of one that a killed predecessor left. Raises CannotRun when another relay answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            pass
        else:
            raise CannotRun(f"another relay listens on {path}", "`erpgres up` runs one: `erpgres status` shows it")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        raise CannotRun(f"{path} cannot be made: {error.strerror}", "`erpgres up -d` prepares its directory") from error
    return listener


def _allow_files() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _SPARE_FILES
    if soft < wanted and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def _log_to_stdout() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (("erpgres.relay", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
