"""The documentation page in a real browser: it works under its content policy and contacts no other host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_the_page_shows_every_operation_and_carries_one_out(page: Page, server: Any) -> None:
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    health = page.locator(".opblock", has_text="/healthz")
    health.locator(".opblock-summary").click()
    health.locator("button.execute").click()
    response = health.locator(".live-responses-table .response-col_status").last
    response.wait_for()
    assert response.inner_text().startswith("200")
    paths = server.request("GET", "/openapi.json").json["paths"]
    assert page.locator(".opblock").count() == sum(len(set(item) - {"parameters"}) for item in paths.values())
    assert complaints == []
    assert hosts == {f"127.0.0.1:{server.port}"}
