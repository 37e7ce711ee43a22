"""The browser that other tests look at pages with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import browser as fixtures


def test_a_page_is_rendered_and_its_script_runs(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    (tmp_path / "page.html").write_text("<h1>Bale</h1><script>document.title = 6 * 7</script>")
    page.goto((tmp_path / "page.html").as_uri())
    assert (page.title(), page.text_content("h1")) == ("42", "Bale")
    assert page.screenshot().startswith(b"\x89PNG")


def test_a_machine_without_a_browser_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ERPGRES_OFFLINE", "1")
    monkeypatch.setattr(fixtures.npm, "_root", lambda: tmp_path / "tools")
    monkeypatch.delenv("ERPGRES_CHROMIUM", raising=False)
    with pytest.raises(pytest.fail.Exception, match=r"apt-get install chromium"):
        fixtures.chromium()
    monkeypatch.setenv("ERPGRES_CHROMIUM", os.devnull)
    with pytest.raises(pytest.fail.Exception, match="ERPGRES_CHROMIUM names a browser that does not run"):
        fixtures.chromium()
