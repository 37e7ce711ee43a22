"""`erpgres migrate locks`, and `migrate locks measure`."""

from __future__ import annotations

import json

import click

from erpgres.cli._options import format_option, say


@click.group("locks", invoke_without_command=True)
@click.option(
    "--postgres", "major", type=int, metavar="MAJOR", help="Version of PostgreSQL (default: the newest known)."
)
@format_option
@click.pass_context
def locks(context: click.Context, output: str, major: int | None) -> None:
    """Show the lock table: what each kind of statement locks, rewrites and scans.

    \b
    Examples:
      erpgres migrate locks
      erpgres migrate locks --format json
      erpgres migrate locks measure
    """
    if context.invoked_subcommand is not None:
        return
    from erpgres.migrate.locks import table

    rows = table.read(major or table.versions()[-1])
    known = table.kinds()
    if output == "json":
        found = [
            {"title": known[name].title, **row.cells(), "instead": known[name].instead} for name, row in rows.items()
        ]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"{'statement':<52} {'lock':<24} {'rewrite':<8} {'scan':<6} elsewhere")
    for name, row in rows.items():
        elsewhere = "; ".join(f"{where}: {mode}" for where, mode in sorted(row.elsewhere.items()))
        rewrite, scan = ("yes" if row.rewrite else "no"), ("yes" if row.scan else "no")
        click.echo(f"{known[name].title:<52} {row.lock or 'none':<24} {rewrite:<8} {scan:<6} {elsewhere}".rstrip())


@locks.command("measure")
@click.argument("kinds", nargs=-1)
@click.option("--write", is_flag=True, help="Write what was measured into the table of this version.")
def measure(kinds: tuple[str, ...], *, write: bool) -> None:
    """Measure the lock table anew, on the installed PostgreSQL, and compare.

    Each kind of statement runs on small tables in a server of the plan's own; KINDS names some (all unless named).
    Exit code 1 when something is not as the table says.

    \b
    Examples:
      erpgres migrate locks measure
      erpgres migrate locks measure set_not_null add_foreign_key
      erpgres migrate locks measure --write
    """
    from erpgres.errors import Refused
    from erpgres.lint import scratch
    from erpgres.migrate.locks import measure as measuring
    from erpgres.migrate.locks import table
    from erpgres.migrate.plan import clone

    unknown = sorted(set(kinds) - table.kinds().keys())
    if unknown:
        raise Refused(f"no such kind: {', '.join(unknown)}", "tools/erpgres/migrate/locks/kinds.toml lists them")
    with scratch.server(scratch.cache_folder(), clone.NAME, clone.SETTINGS) as state:
        dsn = state.dsn("postgres", "postgres")
        major = measuring.major(dsn)
        rows = measuring.measure(dsn, kinds or None)
    if write:
        stored = {**(table.read(major) if major in table.versions() else {}), **{row.kind: row for row in rows}}
        path = table.write(major, [stored[name] for name in table.kinds() if name in stored])
        say(f"written: {path.name}")
    differences = table.difference(table.read(major), rows)
    for line in differences:
        click.echo(line)
    say(f"{len(rows)} kinds measured on PostgreSQL {major}, {len(differences)} differences")
    if differences:
        raise SystemExit(1)
