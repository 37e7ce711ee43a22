"""Requests to addresses that somebody else chose: public ones only, bounded in time and size, never redirected."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_ANSWER_BYTES = 16_384
# IPv6 ranges that carry an IPv4 address in them: where the last 32 bits lead decides (RFC 6052, RFC 4291).
_EMBEDDING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


class Refused(Exception):
    """The address is not one that may be reached; nothing was sent."""


@dataclass(frozen=True)
class Rules:
    """What the installation allows besides https to public addresses."""

    http: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What the other side said: status, the beginning of the body, and how many seconds it asks us to wait."""

    status: int
    text: str
    retry_after: int | None


def networks(text: str) -> tuple[Network, ...]:
    """Read networks separated by commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_allowed(address: Address, rules: Rules) -> bool:
    """Say whether an address may be reached: it is public, or in a network that the installation names."""
    if any(address.version == network.version and address in network for network in rules.networks):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_allowed(address.ipv4_mapped, rules)
        if any(address in network for network in _EMBEDDING) and int(address) > 1:
            return is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), rules)
        if address.sixtofour is not None:
            return is_allowed(address.sixtofour, rules)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int, rules: Rules) -> str:
    """Return the address to connect to. Raises Refused when any address of the name may not be reached, or OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for address in addresses:
        if not is_allowed(ipaddress.ip_address(address), rules):
            raise Refused(f"{host} is {address}, which is not a public address")
    return addresses[0]


def post(url: str, body: bytes, headers: Mapping[str, str], rules: Rules, context: ssl.SSLContext) -> Answer:
    """Send a POST and return the answer, whatever its status.

    The address that was checked is the one that is connected to, so a name that answers differently the second time
    changes nothing. Raises Refused, or OSError or http.client.HTTPException when there is no answer in time.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.http):
        raise Refused(f"{parts.scheme} is not allowed")
    if not parts.hostname or parts.username is not None:
        raise Refused("the address has no host, or names a user")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    deadline = time.monotonic() + SECONDS
    address = resolve(parts.hostname, port, rules)
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=SECONDS)
    plain = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
    # Each read has a time limit; this one is for all of them, so that one byte now and then does not keep us for hours.
    open_now: list[socket.socket] = [plain]
    timer = threading.Timer(max(0.1, deadline - time.monotonic()), _cut, [open_now])
    timer.daemon = True
    timer.start()
    try:
        plain.settimeout(SECONDS)
        if parts.scheme == "https":
            secure = context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)
            open_now.append(secure)  # the descriptor has moved there
            secure.do_handshake()
        connection.sock = open_now[-1]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {**headers, "Host": parts.netloc, "Connection": "close"})
        response = connection.getresponse()
        text = response.read(_ANSWER_BYTES).decode("utf-8", "replace").replace("\0", "")
        if time.monotonic() >= deadline:
            raise TimeoutError("cut off")  # an answer that was cut off looks like one that ended
        after = response.getheader("Retry-After", "")
        return Answer(response.status, text, int(after) if after.isdigit() else None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"no answer within {SECONDS:.0f} s") from error
        if not isinstance(error, (OSError, http.client.HTTPException)):
            raise OSError(str(error)) from error
        raise
    finally:
        timer.cancel()
        connection.close()
        for one in open_now:
            one.close()


def _cut(open_now: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        open_now[-1].shutdown(socket.SHUT_RDWR)


def certificates() -> ssl.SSLContext:
    """Return a context that verifies servers by the system's certificates, or by certifi's where there are none."""
    context = ssl.create_default_context()
    paths: Sequence[str | None] = ssl.get_default_verify_paths()[:2]
    if not any(paths):
        import certifi

        context.load_verify_locations(certifi.where())
    return context
