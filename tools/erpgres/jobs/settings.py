"""What the worker is told from outside the database: how mail is sent, where the frontend is, who does back-fills."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.stack.state import State

NAMES = (
    "ERPGRES_SMTP_HOST",
    "ERPGRES_SMTP_PORT",
    "ERPGRES_SMTP_SECURITY",
    "ERPGRES_SMTP_USER",
    "ERPGRES_SMTP_PASSWORD_FILE",
    "ERPGRES_SMTP_CA_FILE",
    "ERPGRES_SMTP_FROM",
    "ERPGRES_APP_URL",
    "ERPGRES_BACKFILL_SHARE",
)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Mail:
    """A mail server; `security` is starttls, tls or none. `context` has read its certificates already."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Settings:
    """Everything; `mail` is None when no mail server is set, and messages then wait.

    `migrator` is the conninfo of the role that writes back-fills, None for a worker that does none; `backfill_share`
    the part of its time that one works.
    """

    mail: Mail | None = None
    app_url: str | None = None
    migrator: str | None = None
    backfill_share: float = 0.5


def load(state: State) -> Settings:
    """Read the settings of a state, files included. Raises CannotRun when they do not fit together."""
    host = state.setting("ERPGRES_SMTP_HOST", "")
    app_url = state.setting("ERPGRES_APP_URL", "").rstrip("/") or None
    share = _share(state.setting("ERPGRES_BACKFILL_SHARE", "0.5"))
    if not host:
        return Settings(None, app_url, backfill_share=share)
    security = state.setting("ERPGRES_SMTP_SECURITY", "starttls")
    if security not in _PORTS:
        raise CannotRun(f"ERPGRES_SMTP_SECURITY is '{security}'", "it is one of starttls, tls, none")
    port = state.setting("ERPGRES_SMTP_PORT", str(_PORTS[security]))
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise CannotRun(f"ERPGRES_SMTP_PORT is '{port}'", "it is a port: 587, 465, 25")
    user = state.setting("ERPGRES_SMTP_USER", "") or None
    if user and security == "none":
        raise CannotRun("ERPGRES_SMTP_SECURITY=none would send a password in the clear", "use starttls or tls")
    sender = state.setting("ERPGRES_SMTP_FROM", "") or (user if user and "@" in user else "")
    if "@" not in sender or any(mark in sender for mark in "\r\n"):
        raise CannotRun("ERPGRES_SMTP_FROM is missing", "it is the address that messages come from")
    authority = state.setting("ERPGRES_SMTP_CA_FILE", "") or None
    try:
        context = None if security == "none" else ssl.create_default_context(cafile=authority)
        password = None
        if user:
            file = Path(state.setting("ERPGRES_SMTP_PASSWORD_FILE", str(state.secrets / "smtp.password")))
            password = file.read_text().strip()
    except (OSError, ssl.SSLError) as error:
        raise CannotRun(
            f"a file for sending mail cannot be read: {error}",
            f"ERPGRES_SMTP_CA_FILE, ERPGRES_SMTP_PASSWORD_FILE (default {state.secrets / 'smtp.password'})",
        ) from error
    mail = Mail(host, int(port), security, sender, user, password, context)
    return Settings(mail, app_url, backfill_share=share)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise CannotRun(f"ERPGRES_BACKFILL_SHARE is '{text}'", "it is a part of the time, from 0 (no back-fills) to 1")
    return share


def fingerprint(state: State) -> str:
    """Return a text that changes whenever the worker must start again to see new settings; it holds no secret."""
    lines = [f"{name} = {state.setting(name, '')}" for name in NAMES]
    named = state.setting("ERPGRES_SMTP_PASSWORD_FILE", str(state.secrets / "smtp.password"))
    for file in filter(None, (named, state.setting("ERPGRES_SMTP_CA_FILE", ""))):
        try:
            lines.append(f"{file} of {Path(file).stat().st_mtime_ns}")
        except OSError:
            lines.append(f"{file} is not there")
    return "\n".join(["# Written by `erpgres up`: what the worker was started with.", *lines]) + "\n"
