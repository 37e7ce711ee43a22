"""The command line as pages, read from click."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from erpgres.docs.markdown import Book, Section, cell, code, prose, table


def write(book: Book) -> list[str]:
    """Add a page for each command; return lines of a list of them."""
    from erpgres.cli import main

    listed = []
    with click.Context(main, info_name="erpgres") as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            assert command is not None
            path = f"cli/{name}.md"
            first, *sections = _sections(command, f"erpgres {name}")
            book.add(path, first.heading, first.lines, sections)
            book.places["command", name] = path
            listed.append(f"| [erpgres {name}]({name}.md) | {cell(prose(_first_line(command)))} |")
    return ["| command | does |", "|---|---|", *listed]


def _sections(command: click.Command, path: str) -> Iterator[Section]:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = ["```", usage, "```", "", *_help(command.help or "")]
    rows = [_option(parameter, context) for parameter in command.params if isinstance(parameter, click.Option)]
    lines += ["", *table(["option", "variable", "default", "meaning"], [row for row in rows if row])]
    inner = []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                inner += [(name, child)]
    yield Section(path, lines)
    for name, child in inner:
        yield from _sections(child, f"{path} {name}")


def _help(text: str) -> list[str]:
    """Turn a help text into Markdown: what `\\b` keeps from being wrapped becomes code, its first line a title."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text).split("\f")[0]):
        if paragraph.startswith("\b"):
            title, _, rest = paragraph.lstrip("\b\n").partition("\n")
            lines += [prose(title), "", "```sh", *inspect.cleandoc(f"\n{rest}").splitlines(), "```", ""]
        else:
            lines += [prose(" ".join(paragraph.split())), ""]
    return lines


def _option(option: click.Option, context: click.Context) -> tuple[str, ...] | None:
    if option.hidden:
        return None
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag and not option.count:
        names += f" {code(option.make_metavar(context))}"
    default = ""
    if option.show_default and isinstance(option.default, str | int | float) and not isinstance(option.default, bool):
        default = code(str(option.default))
    variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or [])
    marks = [*(["required"] if option.required else []), *(["may be repeated"] if option.multiple else [])]
    told = prose(option.help or "") + (f" ({', '.join(marks)})" if marks else "")
    return names, ", ".join(code(name) for name in variables), default, told


def _first_line(command: click.Command) -> str:
    return " ".join((command.help or "").strip().split("\n\n")[0].split())
