"""The site: docs/*.md and the generated pages as HTML, with diagrams, examples, search and an OpenAPI page."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape, unescape
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
import pygments.formatters
import pygments.lexers
import pygments.util
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments.lexer import Lexer

from erpgres import settings
from erpgres.docs.examples import Example
from erpgres.docs.markdown import slug

THEME = Path(__file__).with_name("theme")
_ASSETS = ("style.css", "theme.js", "site.js", "openapi.js")
_REPOSITORY = ("README.md", "CHANGELOG.md", "deploy/*/README.md", "migrations/README.md", "sql/*/README.md")
_TAG = re.compile(r"<[^>]+>")
_SEARCHED = 1500  # characters of a section that search knows

# Text that is put into a page: after the introduction of a page ("") or at the end of a section (its heading).
Inserts = Mapping[str, Mapping[str, str]]


@dataclass
class Page:
    """A page: where its source lies in the repository, where it goes in the site, and what it holds."""

    source: str
    path: str
    title: str
    group: str
    html: str = ""

    @property
    def label(self) -> str:
        """The title, without what the group that it is listed in says already."""
        return re.sub(r"^(?:API|Data) of |^erpgres ", "", self.title)

    contents: list[tuple[str, str]] = field(default_factory=list)
    sections: list[tuple[str, str, str]] = field(default_factory=list)


def collect(reference: Mapping[str, str], root: Path = settings.ROOT) -> list[tuple[Page, str]]:
    """Return the pages with their Markdown: written by hand, of the repository's folders, and generated."""
    found: list[tuple[Page, str]] = []
    names = [path.relative_to(root).as_posix() for pattern in _REPOSITORY for path in sorted(root.glob(pattern))]
    names += [
        path.relative_to(root).as_posix()
        for path in sorted((root / "docs").rglob("*.md"))
        if "reference" not in path.relative_to(root / "docs").parts[:1]
    ]
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        found.append((Page(name, _place(name), _title(text, name), _group(name)), text))
    programs = [path for path in (root / "docs/examples").glob("*") if path.suffix in (".js", ".ts", ".py")]
    for path in sorted(programs):
        code = path.read_text(encoding="utf-8").rstrip()
        text = f"# {path.name}\n\n```{path.suffix[1:]}\n{code}\n```\n"
        found.append((Page(f"docs/examples/{path.name}", f"examples/{path.name}.html", path.name, "Guides"), text))
    for name, text in reference.items():
        source = f"docs/reference/{name}"
        found.append((Page(source, _place(source), _title(text, name), _group(source)), text))
    return found


def write(
    folder: Path,
    pages: list[tuple[Page, str]],
    inserts: Inserts,
    openapi: Mapping[str, Any],
    figures: Mapping[str, int],
    packages: Path,
    version: str,
) -> int:
    """Write the site into an empty folder and return the number of pages.

    `inserts` are by source of a page; `packages` is the folder of the npm packages that the site takes along.
    """
    known = {page.source: page.path for page, _ in pages}
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": highlighted}).enable(["table", "strikethrough"])
    for page, text in pages:
        _render(markdown, page, text, inserts.get(page.source, {}), known)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(THEME), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    nav = _navigation([page for page, _ in pages])

    def put(path: str, template: str, **values: Any) -> None:
        depth = len(PurePosixPath(path).parts) - 1
        base = "../" * depth
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = environment.get_template(template).render(base=base, path=path, nav=nav, version=version, **values)
        target.write_text(text, encoding="utf-8")

    for page, _ in pages:
        put(page.path, "page.html", page=page, title=page.title)
    put("index.html", "home.html", title="Erpgres", figures=figures, known=known)
    put("openapi.html", "openapi.html", title="OpenAPI")
    _assets(folder, pages, openapi, packages)
    return len(pages) + 2


def _place(name: str) -> str:
    """Return where a file of the repository goes in the site: docs/access.md is access.html."""
    inner = name.removeprefix("docs/")
    if inner == "README.md":
        inner = "overview.md"
    path = PurePosixPath(inner)
    if path.name == "README.md":
        path = path.with_name("index.md") if len(path.parts) > 1 and name.startswith("docs/") else path
    return str(path.with_name(path.name.lower()).with_suffix(".html"))


def _title(text: str, name: str) -> str:
    match = re.search(r"^# (.+)$", text, re.MULTILINE)
    return re.sub(r"[`*]", "", match[1]) if match else PurePosixPath(name).stem


def _group(name: str) -> str:
    if name.startswith("docs/reference/"):
        parts = PurePosixPath(name).parts[2:]
        groups = {"api": "API", "data": "Data", "permissions": "Access and errors", "errors": "Access and errors",
                  "cli": "Command line"}  # fmt: skip
        return groups.get(parts[0], "Reference")
    if name.startswith("docs/adr/"):
        return "Decisions"
    if name.startswith("docs/") or name in ("README.md", "CHANGELOG.md"):
        return "Guides"
    return "In the repository"


def _navigation(pages: list[Page]) -> list[tuple[str, list[Page]]]:
    order = [
        "Guides",
        "Reference",
        "API",
        "Data",
        "Access and errors",
        "Command line",
        "In the repository",
        "Decisions",
    ]
    rank = {"README.md": 0, "CHANGELOG.md": 2}
    grouped: dict[str, list[Page]] = {name: [] for name in order}
    for page in pages:
        grouped[page.group].append(page)
    for group, members in grouped.items():
        if group == "Guides":
            members.sort(key=lambda page: (rank.get(page.source, 1), page.title.lower()))
        else:  # `core-2` after `core`, the list of a folder first
            members.sort(key=lambda page: (not page.source.endswith("README.md"), page.source.removesuffix(".md")))
    return [(name, members) for name, members in grouped.items() if members]


# ---- one page -------------------------------------------------------------------------------------------------------


def _render(markdown: MarkdownIt, page: Page, text: str, inserts: Mapping[str, str], known: Mapping[str, str]) -> None:
    tokens = markdown.parse(re.sub(r"\A(?:<!--.*?-->\s*)+", "", text, flags=re.S))
    taken: set[str] = set()
    cuts = [0]
    headings: list[tuple[str, str]] = [("", "")]
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            inline = tokens[number + 1]
            plain = "".join(child.content for child in inline.children or [] if child.type in ("text", "code_inline"))
            anchor = slug(plain)
            while anchor in taken:
                anchor += "-1"
            taken.add(anchor)
            token.attrSet("id", anchor)
            if token.tag == "h2" and token.level == 0:
                cuts.append(number)
                headings.append((plain, anchor))
                page.contents.append((plain, anchor))
        elif token.type == "inline":
            _links(token, page, known)
    parts = []
    for (heading, anchor), begin, end in zip(headings, cuts, [*cuts[1:], len(tokens)], strict=True):
        html = markdown.renderer.render(tokens[begin:end], markdown.options, {})
        html = html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
        parts.append(html + inserts.get(heading, ""))
        words = " ".join(unescape(_TAG.sub(" ", html)).split())
        page.sections.append((heading, anchor, words.removeprefix(heading).strip()[:_SEARCHED]))
    page.html = "".join(parts)


def _links(inline: Token, page: Page, known: Mapping[str, str]) -> None:
    """Point links between files of the repository at the pages made of them; a file that is no page loses its link."""
    dropped = False
    for child in inline.children or []:
        if child.type == "link_open":
            href = str(child.attrGet("href") or "")
            target, _, anchor = href.partition("#")
            dropped = False
            if re.match(r"[a-z]+:", href):
                child.attrSet("rel", "noreferrer")
            elif target:
                wanted = os.path.normpath(PurePosixPath(page.source).parent / target)
                found = known.get(wanted) or known.get(f"{wanted}/README.md")
                if found is None:
                    dropped = True
                    child.tag, child.attrs = "span", {"title": f"in the repository: {wanted}"}
                else:
                    where = os.path.relpath(found, PurePosixPath(page.path).parent)
                    child.attrSet("href", where + (f"#{anchor}" if anchor else ""))
        elif child.type == "link_close" and dropped:
            child.tag, dropped = "span", False


@cache
def _lexer(language: str) -> Lexer | None:
    try:
        return pygments.lexers.get_lexer_by_name({"sh": "bash"}.get(language, language or "text"))
    except pygments.util.ClassNotFound:
        return None


@cache
def _formatter() -> pygments.formatters.HtmlFormatter[str]:
    return pygments.formatters.HtmlFormatter(nowrap=True)


def highlighted(text: str, language: str, _attributes: str = "") -> str:
    """Return code as HTML with classes for its words; what no lexer knows stays plain."""
    lexer = _lexer(language)
    return "" if lexer is None else str(pygments.highlight(text, lexer, _formatter()))


# ---- what is put into pages -----------------------------------------------------------------------------------------


def diagram(svgs: list[str], caption: str) -> str:
    """Return a figure with diagrams, no wider than the page until its button is pressed."""
    return (
        f'<figure class="diagram"><div class="canvas">{"".join(svgs)}</div><figcaption>'
        f'<button type="button" hidden>Full size</button> {escape(caption)}</figcaption></figure>'
    )


def examples(found: list[Example]) -> str:
    """Return requests and their answers as HTML."""
    parts = []
    for number, one in enumerate(found):
        request = f"{one.method} {one.path}"
        headers = []
        if one.user:
            headers.append(f"Authorization: Bearer <token of {one.user}>")
        if one.accept:
            headers.append(f"Accept: {one.accept}")
        headers += [f"{name}: {value}" for name, value in one.headers.items()]
        asked = escape("\n".join([request, *headers]))
        if one.request:
            asked += "\n\n" + highlighted(one.request, "json")
        language = "json" if "json" in one.type else "text"
        mark = "good" if one.status < 400 else "bad"
        parts.append(
            f'<details class="example"{" open" if number == 0 else ""}><summary>{escape(one.title)} '
            f'<span class="status {mark}">{one.status}</span></summary>'
            f'<div class="pair"><pre class="request"><code>{asked}</code></pre>'
            f'<pre class="answer"><code>{highlighted(one.answer, language) or escape(one.answer)}</code></pre></div>'
            "</details>"
        )
    return f'<div class="examples"><h3>Tried</h3>{"".join(parts)}</div>' if parts else ""


# ---- files beside the pages -----------------------------------------------------------------------------------------


def _assets(folder: Path, pages: list[tuple[Page, str]], openapi: Mapping[str, Any], packages: Path) -> None:
    assets = folder / "assets"
    assets.mkdir()
    for name in _ASSETS:
        shutil.copyfile(THEME / name, assets / name)
    modules = packages / "node_modules"
    for source, name in (
        ("swagger-ui-dist/swagger-ui.css", "swagger-ui.css"),
        ("swagger-ui-dist/swagger-ui-bundle.js", "swagger-ui-bundle.js"),
        ("swagger-ui-dist/LICENSE", "swagger-ui-LICENSE.txt"),
        ("minisearch/dist/umd/index.js", "minisearch.js"),
        ("minisearch/LICENSE.txt", "minisearch-LICENSE.txt"),
    ):
        shutil.copyfile(modules / source, assets / name)
    for name in ("swagger-ui-bundle.js", "minisearch.js"):  # maps are not taken along: a browser would miss them
        text = (assets / name).read_text(encoding="utf-8")
        (assets / name).write_text(re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text), encoding="utf-8")
    entries = [
        {"id": number, "t": page.title, "h": heading, "u": page.path + (f"#{anchor}" if anchor else ""), "x": words,
         "g": page.group}
        for number, (page, heading, anchor, words) in enumerate(
            (page, *section) for page, _ in pages for section in page.sections
        )
    ]  # fmt: skip
    (assets / "search-index.js").write_text(f"window.SEARCH = {_script(entries)};\n", encoding="utf-8")
    (assets / "openapi-data.js").write_text(f"window.OPENAPI = {_script(openapi)};\n", encoding="utf-8")


def _script(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
