"""Messages to people by SMTP."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import formatdate

from erpgres.jobs.settings import Mail

SECONDS = 20


class Rejected(Exception):
    """The server refuses this message for good (a 5xx answer to recipient or content): trying again is no use."""


def send(mail: Mail, to: str, subject: str, text: str, message_id: str) -> None:
    """Hand a message to the server and return when it has taken it.

    `message_id` is the header of that name: the same for each attempt at one message, so that who gets it twice can
    tell. Raises Rejected, or OSError (smtplib's errors are among them) when it may go better later.
    """
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    server: smtplib.SMTP
    if mail.security == "tls":
        server = smtplib.SMTP_SSL(mail.host, mail.port, timeout=SECONDS, context=mail.context)
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=SECONDS)
    with server:
        if mail.security == "starttls":
            server.starttls(context=mail.context)
        if mail.user:
            server.login(mail.user, mail.password or "")
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            _refuse(code, said, error)
        except smtplib.SMTPResponseException as error:
            _refuse(error.smtp_code, error.smtp_error, error)


def _refuse(code: int, said: bytes | str, error: Exception) -> None:
    if 500 <= code < 600:
        shown = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise Rejected(f"{code} {shown}") from error
    raise error
