"""The certificate of a local stack, for TLS to PostgreSQL and to the gateway."""

from __future__ import annotations

import socket

import trustme

from erpgres.stack.state import State


def ensure(state: State) -> None:
    """Make `ca.pem`, `cert.pem` and `key.pem` in the state's `tls` unless they are there; no authority key is kept."""
    if all((state.tls / name).is_file() for name in ("ca.pem", "cert.pem", "key.pem")):
        return
    authority = trustme.CA(organization_name="Erpgres local stack")
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1", socket.gethostname())
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    state.write(state.tls / "ca.pem", authority.cert_pem.bytes().decode(), service=True)
    state.write(state.tls / "key.pem", leaf.private_key_pem.bytes().decode(), mode=0o600, service=True)
    state.write(state.tls / "cert.pem", chain.decode(), service=True)
