"""A network that fails: a TCP proxy before the gateway that cuts connections where a test says."""

from __future__ import annotations

import re
import select
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any


class Network(socketserver.ThreadingTCPServer):
    """Passes everything on to a port of the loopback address, but for requests that have a fate, in their order.

    "unsent": cut before the gateway sees it; "unanswered": cut when the answer comes; "torn": cut within the answer;
    other text is what a load balancer in between answers itself. `keys` are the idempotency keys of all requests
    and `statuses` what the gateway answered. `address` is where requests seem to come from.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, fates: Iterable[str] = (), address: str = "127.0.0.1") -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target, self.address = ("127.0.0.1", port), address
        self.fates = deque(fates)
        self.keys: list[str] = []
        self.statuses: list[int] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a connection that was cut is what this is for


class _Connection(socketserver.BaseRequestHandler):
    server: Network

    def handle(self) -> None:
        client: socket.socket = self.request
        is_asked, fate = False, ""
        with socket.create_connection(self.server.target, source_address=(self.server.address, 0)) as gateway:
            while True:
                ready = select.select([client, gateway], [], [])[0]
                if client in ready:
                    if not (data := client.recv(1 << 16)):
                        return
                    if not is_asked:
                        is_asked, fate = True, self.server.fates.popleft() if self.server.fates else ""
                        found = re.search(rb"\r\nidempotency-key: *([^\r]+)", data, re.IGNORECASE)
                        self.server.keys.append(found[1].decode() if found else "")
                    if fate == "unsent":
                        return
                    if fate not in ("", "unanswered", "torn"):
                        client.sendall(fate.encode())
                        return
                    gateway.sendall(data)
                if gateway in ready:
                    if not (data := gateway.recv(1 << 16)):
                        return
                    if is_asked:
                        self.server.statuses.append(int(data.split(b" ", 2)[1]))
                    is_asked = False
                    if fate == "unanswered":
                        return
                    if fate == "torn":
                        client.sendall(data[: len(data) // 2])
                        return
                    client.sendall(data)
