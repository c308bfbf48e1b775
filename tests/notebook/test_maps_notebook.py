"""The notebook of maps, run and opened in a browser: what the pixels show are the cities."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from carto.sandbox import Sandbox
from tests.notebook.browser import Browser, came_true, started_browser
from tests.notebook.maps_page import page_of_maps
from tests.pictures import Pixels, colored, pixels

BLUE, RED, GREEN = "#0f6fc6", "#d1495b", "#2e933c"
#: The maps of the notebook that are interactive, in order, and the color of their points.
INTERACTIVE = {"anonymous": BLUE, "named": RED, "vectors": BLUE}

#: What browsers do to the oldest of many maps.
DROP = """
    const canvas = document.querySelector("canvas");
    canvas.getContext("webgl2").getExtension("WEBGL_lose_context").loseContext();
"""

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")]


@pytest.fixture(scope="module")
def page(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run the notebook, and write it as a page with everything that its cells show."""
    with page_of_maps(sandbox, tmp_path_factory.mktemp("notebook")) as written:
        yield written


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started_browser(tmp_path_factory.mktemp("profile")) as started:
        started.open(page.as_uri())
        yield started


@pytest.fixture
def at_top(browser: Browser) -> Browser:
    browser.leave()
    return browser


def _frame(browser: Browser, name: str) -> str:
    frames = browser.elements("iframe")
    assert len(frames) == len(INTERACTIVE)
    return frames[list(INTERACTIVE).index(name)]


def _spread(shown: Pixels, color: str) -> tuple[int, float]:
    """Count the pixels of a color, and tell how much of the width lies between the first and the last."""
    columns = np.nonzero(colored(shown, color).any(axis=0))[0]
    count = int(np.count_nonzero(colored(shown, color)))
    return count, (int(columns[-1] - columns[0]) / shown.shape[1]) if count else 0.0


def _is_drawn(browser: Browser, name: str) -> bool:
    count, width = _spread(pixels(browser.picture(_frame(browser, name))), INTERACTIVE[name])
    return count > 1000 and width > 0.5


def _problems(browser: Browser, frame: str) -> list[str]:
    """Read what the frame says when it can't draw."""
    browser.enter(frame)
    return [browser.text(problem) for problem in browser.elements("#problem")]


@pytest.mark.parametrize("name", INTERACTIVE)
def test_the_canvas_shows_the_cities(at_top: Browser, name: str) -> None:
    assert came_true(lambda: _is_drawn(at_top, name), 120), _problems(at_top, _frame(at_top, name))


def test_a_map_that_the_browser_dropped_is_drawn_again(at_top: Browser) -> None:
    frame = _frame(at_top, "named")
    at_top.picture(frame)
    at_top.enter(frame)
    at_top.run(f"{DROP} canvas.id = 'dropped';")
    assert came_true(lambda: len(at_top.elements("canvas:not(#dropped)")) == 1)
    assert at_top.elements("#dropped") == []
    at_top.leave()
    assert came_true(lambda: _is_drawn(at_top, "named")), _problems(at_top, frame)


@pytest.mark.parametrize("name", INTERACTIVE)
def test_the_frame_holds_a_map_with_its_attribution(at_top: Browser, name: str) -> None:
    at_top.enter(_frame(at_top, name))
    assert len(at_top.elements("canvas.maplibregl-canvas")) == 1
    (attribution,) = at_top.elements(".maplibregl-ctrl-attrib")
    assert at_top.text(attribution).split(" | ") == ["CARTO", "MapLibre"]
    at_top.leave()
    assert _problems(at_top, _frame(at_top, name)) == [""]


def test_the_map_can_be_zoomed(at_top: Browser) -> None:
    frame = _frame(at_top, "vectors")
    before = _spread(pixels(at_top.picture(frame)), BLUE)[0]
    at_top.enter(frame)
    for _ in range(2):
        at_top.run("document.querySelector('.maplibregl-ctrl-zoom-in').click()")
    at_top.leave()
    assert came_true(lambda: 0 < _spread(pixels(at_top.picture(frame)), BLUE)[0] < before * 0.7)


def test_the_private_map_is_a_picture(at_top: Browser) -> None:
    (image,) = at_top.elements("figure img")
    count, width = _spread(pixels(at_top.picture(image)), GREEN)
    assert count > 1000
    assert width > 0.5


def test_the_page_is_not_disturbed(at_top: Browser) -> None:
    """The frame has an origin of its own, so that it can't reach the page, and the page has nothing of MapLibre's."""
    assert at_top.run("return typeof maplibregl") == "undefined"
    at_top.enter(_frame(at_top, "anonymous"))
    assert at_top.run("return [typeof maplibregl, window.origin]") == ["object", "null"]


def test_the_key_is_not_in_the_notebook(page: Path, sandbox: Sandbox) -> None:
    assert sandbox.api_key not in page.read_text(encoding="utf-8")


def test_the_frames_load_nothing_but_tiles_from_this_account(page: Path, sandbox: Sandbox) -> None:
    sources = [html.unescape(each) for each in re.findall(r'srcdoc="([^"]*)"', page.read_text(encoding="utf-8"))]
    assert len(sources) == len(INTERACTIVE)
    for source in sources:
        (tiles,) = re.findall(r'"tiles": \["([^"]*)"\]', source)
        assert tiles.startswith(f"{sandbox.base_url}api/v1/map/")
        assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:", source.replace("https://maplibre.org/", ""))


def test_a_browser_without_webgl_is_told_of(at_top: Browser) -> None:
    """The last test of the page, which has one map less afterwards."""
    frame = _frame(at_top, "anonymous")
    at_top.picture(frame)
    at_top.enter(frame)
    at_top.run(f"{DROP} HTMLCanvasElement.prototype.getContext = () => null;")
    (problem,) = at_top.elements("#problem")
    told = "This map can't be drawn: the browser has no WebGL for it. Run its cell again."
    assert came_true(lambda: at_top.text(problem) == told)
