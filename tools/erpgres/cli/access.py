"""`erpgres access`."""

from __future__ import annotations

from typing import Any

import click

from erpgres.cli._options import format_option, state_option
from erpgres.stack.state import State


@click.group("access")
def command() -> None:
    """Explain who may do what.

    \b
    Examples:
      erpgres access show anna@example.com
      erpgres access show api.partners
    """


@command.command("show")
@click.argument("name", metavar="USER|TABLE|VIEW")
@format_option
@state_option
def show(state: State, output: str, name: str) -> None:
    """Explain a user (e-mail address or id), or a table or view (with or without its schema).

    Of a user: organisations, roles, and each permission with the roles that give it. Of a table or view: grants by
    role, command and column, policies in words, the permissions they ask for, and the roles that hold them.

    \b
    Examples:
      erpgres access show anna@example.com
      erpgres access show partners --format json
    """
    from erpgres import access

    with access.connect(state.dsn("migrator")) as connection:
        report = access.show(connection, name)
    if output == "json":
        import json

        click.echo(json.dumps(report, indent=2, default=str))
    elif report["kind"] == "user":
        _print_user(report)
    else:
        _print_relation(report)


def _print_user(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    inactive = "" if report["is_active"] else ", NOT ACTIVE: is refused at once"
    console.print(f"[bold]{escape(report['email'])}[/bold]  {escape(report['name'])}, {report['user_kind']}{inactive}")
    console.print(f"id             {report['id']}")
    console.print(f"database role  {report['database_role']}: sees {report['sees']}")
    for organization in report["organizations"]:
        partner = f", for the partner {organization['partner']}" if organization["partner"] else ""
        state = "" if organization["is_active"] else ", not active"
        console.print(f"\n[bold]{escape(organization['code'])}[/bold]  {escape(organization['name'])}{partner}{state}")
        for role in organization["roles"]:
            where = f"in unit {role['unit']} and below" if role["unit"] else "everywhere"
            notes = ["every permission"] if role["is_administrator"] else []
            notes += ["needs a second factor"] if role["requires_second_factor"] else []
            console.print(f"  role {escape(role['code'])}, {where}{''.join(', ' + note for note in notes)}")
        if not organization["roles"]:
            console.print("  no role: reads, changes nothing")
        for permission in organization["permissions"]:
            console.print(f"    {permission['code']:<36} through {escape(', '.join(permission['through']))}")


def _print_relation(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[bold]{report['name']}[/bold]  {report['kind']}: {escape((report['comment'] or '').partition(chr(10))[0])}"
    )
    if report["kind"] == "view":
        rights = "the caller's" if report["security_invoker"] else "its owner's"
        names = ", ".join(table["name"] for table in report["tables"]) or "no table"
        console.print(f"  reads {names} with {rights} rights")
        _print_grants(console, report["grants"])
    for table in report["tables"]:
        console.print(f"\n[bold]{table['name']}[/bold]")
        _print_grants(console, table["grants"])
        if not table["row_security"]:
            console.print("  no row-level security: the same rows for all who may read it")
        for policy in table["policies"]:
            console.print(f"  policy {policy['name']}: {policy['role']} {policy['command']}: {escape(policy['words'])}")
    if report["permissions"]:
        console.print("\n[bold]permissions[/bold], and the roles that hold them (users)")
    for permission, holders in report["permissions"].items():
        console.print(f"  {permission}")
        for organization, roles in holders.items():
            told = ", ".join(f"{role['role']} ({role['users']})" for role in roles)
            console.print(f"    {escape(organization)}: {escape(told)}")


def _print_grants(console: Any, grants: list[dict[str, Any]]) -> None:
    by_role: dict[str, list[str]] = {}
    for grant in grants:
        columns = f" ({', '.join(grant['columns'])})" if grant["columns"] else ""
        by_role.setdefault(grant["role"], []).append(f"{grant['command']}{columns}")
    for role, commands in by_role.items():
        console.print(f"  grant  {role}: {', '.join(commands)}")
