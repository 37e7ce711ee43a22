"""Delivers what waits in core.message_outbox."""

from __future__ import annotations

import logging
from string import Template
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erpgres.jobs import mail
from erpgres.jobs.settings import Settings

_log = logging.getLogger("erpgres.messages")

# Subject and text by kind. ${link} is the frontend's page with the token after #, where servers do not log it.
_TEXTS = {
    "INVITATION": (
        "Your account",
        "An account has been made for you. Choose a password here, before $expires:\n\n$link\n",
    ),
    "PASSWORD_RESET": (
        "Choose a new password",
        "Somebody, most likely you, asked to set a new password. Choose it here, before $expires:\n\n$link\n\n"
        "If it was not you, leave this message alone: nothing changes.\n",
    ),
    "PASSWORD_CHANGED": (
        "Your password was changed",
        "The password of your account was changed. If it was not you, ask for a new password at once and tell your "
        "administrator.\n",
    ),
}


def deliver_next(connection: psycopg.Connection[Any], settings: Settings) -> bool:
    """Deliver the message that has waited longest; return whether there was one. `connection` is in autocommit.

    Without a mail server messages wait. A worker that dies sends the message again unless it had noted that it was
    sent: the server took it, and the note was not committed yet. That is the one moment in which it is sent twice.
    """
    if settings.mail is None:
        return False
    with connection.cursor(row_factory=dict_row) as cursor:
        message = cursor.execute("select id, kind, recipient, payload, expires_at from core.message_claim()").fetchone()
    if message is None:
        return False
    try:
        subject, text = compose(message["kind"], message["payload"], message["expires_at"], settings.app_url)
        mail.send(settings.mail, message["recipient"], subject, text, f"<{message['id']}@erpgres>")
    except mail.Rejected as error:
        _failed(connection, message, error, is_final=True)
    except (OSError, ValueError) as error:
        _failed(connection, message, error, is_final=False)
    else:
        connection.execute("select core.message_sent(%s)", [message["id"]])
        _log.info("sent %s %s", message["kind"], message["id"])
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(ops.lock_key('message', %s))", [message["id"]])
    return True


def compose(kind: str, payload: dict[str, Any], expires_at: Any, app_url: str | None) -> tuple[str, str]:
    """Return subject and text of a message. Raises ValueError for a kind that nobody has written a text for."""
    if kind not in _TEXTS:
        raise ValueError(f"there is no text for messages of kind {kind}")
    subject, text = _TEXTS[kind]
    token = payload.get("token", "")
    link = f"{app_url}/password-reset#token={token}" if app_url else f"Token: {token}"
    return subject, Template(text).substitute(link=link, expires=f"{expires_at:%d %B %Y, %H:%M} UTC")


def _failed(connection: psycopg.Connection[Any], message: dict[str, Any], error: Exception, *, is_final: bool) -> None:
    said = str(error) or type(error).__name__
    connection.execute("select core.message_failed(%s, %s, %s)", [message["id"], said, is_final])
    _log.warning("%s %s %s: %s", message["kind"], message["id"], "given up" if is_final else "not sent", said)
