"""Sends a message to the address in the parameter `to`, so that an operator sees whether mail works."""

from __future__ import annotations

from typing import Any

from erpgres.jobs import mail
from erpgres.jobs.task import Task


def run(task: Task) -> dict[str, Any]:
    """Send the message. Raises ValueError without an address or a mail server, else what the server answers."""
    to = task.parameters.get("to")
    if not isinstance(to, str) or "@" not in to:
        raise ValueError('the parameter "to" must be an address')
    if task.settings.mail is None:
        raise ValueError("no mail server is set: ERPGRES_SMTP_HOST")
    text = "This is a test. Messages of Erpgres reach you."
    mail.send(task.settings.mail, to, "Test message", text, f"<{task.id}@erpgres>")
    return {"sent_to": to, "by": task.settings.mail.host}
