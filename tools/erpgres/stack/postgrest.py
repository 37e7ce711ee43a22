"""PostgREST's configuration."""

from __future__ import annotations

from erpgres import keys
from erpgres.errors import CannotRun
from erpgres.stack.postgres import MAX_CONNECTIONS
from erpgres.stack.state import State

_FEWEST_LEFT = 20


def prepare(state: State) -> bool:
    """Write `postgrest.conf`; return whether it is new. The keys it names are written by `keys.prepare`.

    Raises CannotRun when the pool would leave too few connections to the tools.
    """
    if not 1 <= state.api_pool <= MAX_CONNECTIONS - _FEWEST_LEFT:
        raise CannotRun(
            f"a pool of {state.api_pool} connections is not between 1 and {MAX_CONNECTIONS - _FEWEST_LEFT}",
            "choose another --api-pool",
        )
    values: dict[str, str | int | bool] = {
        "db-uri": state.dsn("authenticator").replace("application_name=erpgres", "application_name=postgrest"),
        "db-schemas": "api",
        "db-anon-role": "anon",
        "db-pre-request": "core.begin_request",
        "db-pool": state.api_pool,
        "db-pool-acquisition-timeout": 10,
        "db-max-rows": 100,
        "db-plan-enabled": False,
        "db-tx-end": "commit-allow-override",
        "db-config": False,
        "jwt-secret": f"@{keys.jwks_file(state)}",
        "jwt-cache-max-lifetime": 0,
        "openapi-mode": "follow-privileges",
        "openapi-server-proxy-uri": f"{state.url}/api/",
        "server-host": "127.0.0.1",
        "server-unix-socket": str(state.postgrest_socket),
        "server-unix-socket-mode": "660",
        "admin-server-port": state.admin_port,
        "log-level": "error",  # the gateway logs every request
    }
    lines = ["# Written by `erpgres up`.", *(f"{name} = {_literal(value)}" for name, value in values.items())]
    return state.write(state.etc / "postgrest.conf", "\n".join(lines) + "\n", mode=0o600, service=True)


def _literal(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
