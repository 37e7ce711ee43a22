"""The documentation's site, looked at in a browser: from the disk and at the gateway."""

from __future__ import annotations

import io
import posixpath
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import matplotlib.image
import pytest
from playwright.sync_api import Browser, Page

from browser import launched
from conftest import erpgres, locked
from erpgres.docs import publish
from erpgres.errors import Refused
from erpgres.stack.state import State


@pytest.fixture(scope="session")
def site(stack: State) -> Path:
    """The site as `erpgres docs build` makes it, once a run. (`stack`: its directory is cleared when the run ends.)"""
    with locked("docs") as shared:
        folder = shared / "docs-site"
        if not folder.exists():
            done = erpgres("docs", "build", "--out", str(folder))
            assert done.returncode == 0, done.stderr
            assert "examples:" in done.stdout
    return folder


@pytest.fixture(scope="module")
def browser(chromium_program: tuple[str, dict[str, str]]) -> Iterator[Browser]:
    """One browser for all tests here: none of them runs an event loop."""
    with launched(chromium_program) as started:
        yield started


@pytest.fixture
def served(stack: State, site: Path) -> Iterator[str]:
    """The address of the site at the gateway."""
    with locked("docs"):
        shutil.copytree(site, stack.site / "docs")
        yield f"{stack.url}/docs"
        shutil.rmtree(stack.site)


# What stands in a page as text is escaped, so what looks like a tag is one.
TAG = re.compile(r"<[a-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|</svg>", re.IGNORECASE)
PLACE = re.compile(r"\s(id|href|src)=\"([^\"]+)\"")


@dataclass
class Found:
    """Links and anchors of a page."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


def looked(text: str) -> Found:
    found = Found()
    in_diagram = False
    for tag in TAG.findall(text):
        in_diagram = tag.startswith("<svg") or (in_diagram and tag != "</svg>")
        for name, value in PLACE.findall(tag):
            if name == "id":
                # The diagrams' own ids are Graphviz's: they name nodes and are no anchors of the page.
                assert in_diagram or value not in found.anchors, f"{value} twice"
                if not in_diagram:
                    found.anchors.add(unescape(value))
            else:
                found.links.append(unescape(value))
    return found


def read(site: Path) -> dict[Path, Found]:
    return {path: looked(path.read_text()) for path in site.rglob("*.html")}


def broken(site: Path) -> list[str]:
    """Links that lead nowhere: into the site to a file or an anchor that is not there, or from the disk's root."""
    pages = {path.relative_to(site).as_posix(): found for path, found in read(site).items()}
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    bad = []
    for page, found in pages.items():
        for link in set(found.links):
            parts = urlsplit(link)
            if parts.scheme in ("https", "http", "data", "mailto"):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
            target = target if parts.path else page
            if target not in files:
                bad.append(f"{page}: {link}")
            elif parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                bad.append(f"{page}: {link} (no such place)")
    return bad


def watched(browser: Browser, **options: Any) -> tuple[Page, list[str]]:
    """A page, and what its console complains of, policy violations among them."""
    page = browser.new_context(**options).new_page()
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda one: complaints.append(str(one)))
    page.on("requestfailed", lambda one: complaints.append(one.url))
    return page, complaints


def test_all_links_resolve(site: Path) -> None:
    assert broken(site) == []


def test_a_broken_link_is_found(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    copy.mkdir()
    for name in ("architecture.html", "deploy.html"):  # the first leads to access.html, too
        shutil.copy(site / name, copy)
    page = copy / "architecture.html"
    page.write_text(page.read_text() + '<a href="deploy.html#no-such-heading">x</a>')
    bad = broken(copy)
    assert "architecture.html: deploy.html#no-such-heading (no such place)" in bad
    assert any("access.html" in line for line in bad)
    page.write_text(page.read_text() + '<h2 id="again">x</h2><h2 id="again">y</h2>')
    with pytest.raises(AssertionError, match="again twice"):
        broken(copy)


def render(browser: Browser, paths: list[Path]) -> None:
    """Open pages from the disk: each has a heading that is seen, fits into the window, and nothing complains."""
    page, complaints = watched(browser)
    for path in paths:
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        assert page.locator("h1").first.is_visible(), path
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{path} is wider than the window"
        if path.name == "openapi.html":
            page.wait_for_selector(".opblock-tag")
    assert complaints == []


def test_pages_render_from_the_disk(site: Path, browser: Browser) -> None:
    """The home page, the OpenAPI page, and of each folder the largest."""
    chosen = {site / "index.html", site / "openapi.html"}
    for folder in {path.parent for path in site.rglob("*.html")}:
        chosen.add(max(folder.glob("*.html"), key=lambda path: path.stat().st_size))
    render(browser, [*sorted(chosen - {site / "openapi.html"}), site / "openapi.html"])


@pytest.mark.drill
def test_every_page_renders_from_the_disk(site: Path, browser: Browser) -> None:
    render(browser, sorted(site.rglob("*.html")))


def test_a_page_shows_diagram_example_and_answer(site: Path, browser: Browser) -> None:
    page, _ = watched(browser)
    page.goto((site / "reference" / "data" / "wms.html").as_uri())
    box = page.locator("figure.diagram svg").first.bounding_box()
    assert box and box["width"] > 300 and box["height"] > 300
    with page.expect_navigation():
        page.locator("figure.diagram a", has_text="core.item").first.click()
    assert "reference/data/core" in page.url and page.url.endswith("#coreitem")
    page.goto((site / "reference" / "api" / "wms-functions.html").as_uri() + "#wms_document_post")
    tried = page.locator("#wms_document_post ~ .examples").first
    assert "POST /api/rpc/wms_document_post" in tried.locator("pre.request").first.inner_text()
    assert '"status": "POSTED"' in tried.locator("pre.answer").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_not_blank(site: Path, browser: Browser, scheme: Any) -> None:
    page, _ = watched(browser, color_scheme=scheme, viewport={"width": 1200, "height": 800})
    page.goto((site / "reference" / "data" / "wms.html").as_uri())
    picture = matplotlib.image.imread(io.BytesIO(page.screenshot()))[:, :, :3]
    paper = picture[400, 285]  # beside the text
    assert bool(paper.mean() > 0.9) is (scheme == "light")
    inked = (abs(picture - paper).max(axis=2) > 0.3).mean()
    assert 0.01 < inked < 0.5, inked
    begin = paper.mean()
    page.click("#theme")  # and the other theme by hand
    picture = matplotlib.image.imread(io.BytesIO(page.screenshot()))[:, :, :3]
    assert abs(picture[-1, 700].mean() - begin) > 0.5


def test_search_works_from_the_disk(site: Path, browser: Browser) -> None:
    page, complaints = watched(browser)
    page.goto((site / "architecture.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("document_post")
    page.wait_for_selector("#results a")
    assert page.locator("#results b").first.inner_text() == "wms_document_post"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("reference/api/wms-functions.html#wms_document_post")
    page.fill("#site-search", "zzzzzz")
    page.wait_for_selector("#results .none")
    assert complaints == []


def test_the_gateway_shows_it_within_its_policy(served: str, browser: Browser, stack: State) -> None:
    page, complaints = watched(browser)
    page.goto(f"{served}/")
    page.click("text=OpenAPI >> nth=0")
    page.wait_for_selector(".opblock-tag")
    page.click(".opblock-tag >> nth=0")
    page.wait_for_selector(".opblock-get")
    assert page.evaluate("fetch('/api/rpc/health').then((answer) => answer.status)") == 200
    assert complaints == []
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.bad = 1'}))")
    assert page.evaluate("window.bad") is None
    assert len(complaints) == 1 and "Content Security Policy" in complaints[0]


def test_the_gateway_serves_pages_and_nothing_else(served: str, stack: State) -> None:
    answer = httpx.get(f"{served}/reference/data/core.html")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    again = httpx.get(f"{served}/reference/data/core.html", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    script = httpx.get(f"{served}/assets/site.js")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert httpx.get(f"{stack.url}/docs", follow_redirects=False).headers["Location"] == "/docs/"
    assert httpx.post(f"{served}/").status_code == 405
    (stack.site / "docs" / "link.html").symlink_to(stack.path / "state.json")
    with httpx.Client(base_url=stack.url) as client:
        for path in ("link.html", "none.html", "%2e%2e/%2e%2e/state.json", "..%2fstate.json", "assets/", ".git/config"):
            request = client.build_request("GET", "/docs/")
            request.url = request.url.copy_with(raw_path=f"/docs/{path}".encode())
            refused = client.send(request)
            assert refused.status_code in (400, 403, 404), path
            assert refused.json()["code"].startswith("gateway."), path


def test_before_it_is_built_the_gateway_says_how(stack: State) -> None:
    with locked("docs"):
        answer = httpx.get(f"{stack.url}/docs/")
    assert (answer.status_code, answer.json()["code"]) == (404, "gateway.not_found")
    assert "erpgres docs build" in answer.json()["hint"]
    assert httpx.get(f"{stack.url}/nothing").json()["hint"] is None


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="holds other files"):
        publish.build(tmp_path, print)
    with pytest.raises(Refused, match="there is no stack"):
        publish.served(State(tmp_path / "none"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
