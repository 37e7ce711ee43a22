"""`erpgres keys`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.stack.state import State


@click.group("keys")
def command() -> None:
    """List and change the keys that tokens are signed with.

    After a rotation the new key signs, and tokens of the one before are valid for a while: nobody notices.

    \b
    Examples:
      erpgres keys list
      erpgres keys rotate
      erpgres keys retire
    """


@command.command("list")
@format_option
@state_option
def list_(state: State, output: str) -> None:
    """Show the valid keys by their `kid`: the one that signs, the one before, those of an outside provider.

    \b
    Example:
      erpgres keys list --format json
    """
    from erpgres import keys

    own = keys.load(state)
    rows = [
        {
            "kid": key.kid,
            "algorithm": "HS256",
            "use": "signs" if key is own[0] else ("verifies" if key.retires_at else "is being introduced"),
            "created_at": key.created_at.isoformat(),
            "retires_at": key.retires_at.isoformat() if key.retires_at else None,
        }
        for key in own
    ]
    rows += [
        {"kid": key.get("kid"), "algorithm": key.get("alg", key["kty"]), "use": "verifies", "source": str(state.jwks)}
        for key in keys.provider_keys(state)
    ]
    if output == "json":
        import json

        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        until = f", until {row['retires_at']}" if row.get("retires_at") else ""
        since = f"since {row['created_at']}" if "created_at" in row else f"from {row['source']}"
        click.echo(f"{row['kid'] or '-':<20} {row['algorithm']:<6} {row['use']} {since}{until}")


@command.command("rotate")
@click.option(
    "--overlap",
    type=click.FloatRange(min=0),
    default=20,
    show_default=True,
    envvar="ERPGRES_KEY_OVERLAP",
    show_envvar=True,
    metavar="MINUTES",
    help="How long tokens of the key before stay valid: at least as long as a token lives.",
)
@state_option
def rotate(state: State, overlap: float) -> None:
    """Sign with a new key from now on. A running stack goes on without a failed request.

    \b
    Example:
      erpgres keys rotate
    """
    from erpgres import keys

    key = keys.rotate(state, overlap, say)
    click.echo(f"{key.kid} signs now; the key before is valid for {overlap:g} minutes")


@command.command("retire")
@state_option
def retire(state: State) -> None:
    """End the key before now, and with it all tokens that it signed (their users sign in again or refresh).

    \b
    Example, after a key has leaked:
      erpgres keys rotate && erpgres keys retire
    """
    from erpgres import keys

    key = keys.retire(state)
    click.echo(f"{key.kid} is no longer valid" if key else "there is no key but the one that signs")
