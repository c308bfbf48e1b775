"""A notebook that is opened again when its maps can no longer be had says so in their place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from carto.auth import APIKeyAuthClient
from carto.maps import AnonymousMap
from tests.notebook.browser import Browser, came_true, started_browser

#: Nobody listens on this port.
ROOT = "http://127.0.0.1:9/user/me/"

pytestmark = pytest.mark.slow


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Write a page with a map whose server is there at first, and is not later."""
    with responses.RequestsMock() as server:
        metadata = {"layers": [{"id": "layer0", "type": "mapnik"}], "tilejson": {"raster": {}, "vector": {}}}
        server.post(f"{ROOT}api/v1/map/", json={"layergroupid": "a:0", "metadata": metadata})
        server.get(f"{ROOT}api/v1/map/a:0/0/0/0.mvt", status=204)
        server.get(f"{ROOT}api/v1/map/a:0/all/0/0/0.png", body=b"picture")
        anonymous = AnonymousMap(APIKeyAuthClient(ROOT, "key"))
        anonymous.instantiate({"version": "1.8.0", "layers": []})
        html = anonymous._repr_html_()
    assert html
    path = tmp_path / "notebook.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with started_browser(tmp_path / "profile") as started:
        yield started


def test_the_frame_says_what_is_wrong(page: Path, browser: Browser) -> None:
    browser.open(page.as_uri())
    browser.enter(browser.elements("iframe")[0])
    (problem,) = browser.elements("#problem")
    assert came_true(lambda: browser.text(problem) != "")
    assert browser.text(problem).startswith("This map can't be drawn: ")
    assert browser.text(problem).endswith("Run its cell again.")
