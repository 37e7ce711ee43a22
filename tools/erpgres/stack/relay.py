"""The relay's part of the stack: its file of keys, and how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from erpgres import keys
from erpgres.stack.state import State

NAME = "relay"
PROCESS_NAME = "erpgres-relay"


def keys_file(state: State) -> Path:
    """Return the file that the relay reads the keys of the tokens from; only the service account may read it."""
    return state.etc / "relay.json"


def prepare(state: State) -> bool:
    """Write the keys for the relay, which reads the file again when it is new; return whether it is."""
    values = {
        "keys": [{"kid": key.kid, "key": key.secret, "until": key.until} for key in keys.load(state)],
        "provider": keys.provider_keys(state),
    }
    return state.write(keys_file(state), json.dumps(values, indent=2) + "\n", mode=0o600, service=True)


def health(state: State, seconds: float = 5.0) -> tuple[dict[str, Any], str | None]:
    """Ask the running relay how it is: its answer, and None when all is well or else the reason on one line."""
    import httpx

    try:
        transport = httpx.HTTPTransport(uds=str(state.relay_socket), verify=False)
        with httpx.Client(transport=transport, timeout=seconds) as client:
            answer: dict[str, Any] = client.get("http://relay/health").json()
    except (httpx.HTTPError, ValueError) as error:
        return {}, f"the relay does not answer ({error})"
    return answer, None if answer.get("database") == "up" else "the relay has no connection to the database"
