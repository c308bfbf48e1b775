"""Screenshots of the documentation and of a notebook: `python -m tests.docs.screens FOLDER`.

What has to be on each is checked in the page itself, when it is taken.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from carto import __version__
from carto.resources import NonPublicAPIWarning
from carto.sandbox import Sandbox
from tests.conftest import PROJECT_ROOT
from tests.notebook.browser import Browser, came_true, started_browser
from tests.notebook.maps_page import page_of_maps
from tests.pictures import colored, pixels

#: Of the points on the notebook's first map.
POINTS = "#0f6fc6"
WINDOW = (1280, 1200)
_SHOW_TABLE_AND_PICTURE = """
const table = document.querySelector("article table"), picture = document.querySelector("article img");
table.scrollIntoView({behavior: "instant"});
return table.getBoundingClientRect().top >= 0 && picture.getBoundingClientRect().bottom <= window.innerHeight;
"""
_CELL_WITH_A_MAP = ".jp-CodeCell:has(iframe)"


def main() -> None:
    """Build the documentation, and write the screenshots into the folder that the command line names."""
    warnings.simplefilter("ignore", NonPublicAPIWarning)
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, Sandbox() as sandbox:
        folder = Path(temporary)
        site = built_site(folder)
        with started_browser(folder / "profile") as browser:
            for name, photographed in SCREENS.items():
                (target / f"{name}.png").write_bytes(photographed(browser, site))
        (target / "notebook.png").write_bytes(photographed_notebook(sandbox, folder))
    for picture in sorted(target.glob("*.png")):
        print(picture)


def built_site(folder: Path) -> Path:
    """Build the documentation below a folder; a warning is an error."""
    command = ["make", "-C", str(PROJECT_ROOT / "doc"), "html", f"BUILDDIR={folder}", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def start_page(browser: Browser, site: Path) -> bytes:
    """Photograph the start page: its title, its navigation, and the map on it."""
    picture = _opened(browser, site / "index.html")
    assert browser.run("return document.title") == f"carto {__version__}"
    navigation = _texts(browser, ".sidebar-tree .toctree-l1 > a")
    for page in ("Installation", "From nothing to a map", "SQL", "Maps", "Reference", "A local CARTO"):
        assert page in navigation, navigation
    assert _texts(browser, "article h1") == ["carto"]
    assert_pictures_loaded(browser, 1)
    return picture


def guide_page(browser: Browser, site: Path) -> bytes:
    """Photograph the guide of maps: its title, its table, and its pictures."""
    _opened(browser, site / "guides" / "maps.html")
    assert browser.run("return document.title") == f"Maps - carto {__version__}"
    assert _texts(browser, ".sidebar-tree .current-page > a") == ["Maps"]
    assert "image(width, height, ...)" in _texts(browser, "article table td code")
    assert_pictures_loaded(browser, 3)
    assert browser.run(_SHOW_TABLE_AND_PICTURE), "the table and the first picture are not to be seen together"
    return browser.window(*WINDOW)


def photographed_notebook(sandbox: Sandbox, folder: Path) -> bytes:
    """Run the notebook of maps, and photograph the cell of its first map when that is drawn."""
    with page_of_maps(sandbox, folder) as page, started_browser(folder / "profile-of-notebook") as browser:
        browser.open(page.as_uri())
        assert browser.run("return document.title") == "maps"
        cell, frame = browser.elements(_CELL_WITH_A_MAP)[0], browser.elements("iframe")[0]
        assert came_true(lambda: is_drawn(browser.picture(frame)), 120), "the map's canvas stays blank"
        browser.enter(frame)
        assert len(browser.elements("canvas.maplibregl-canvas")) == 1
        browser.leave()
        return browser.picture(cell)


def is_drawn(picture: bytes) -> bool:
    """Tell whether a picture of the map shows its points."""
    return int(np.count_nonzero(colored(pixels(picture), POINTS))) > 1000


def assert_pictures_loaded(browser: Browser, count: int) -> None:
    """Check that there are so many pictures on a page, and that the browser could read them."""
    widths = browser.run("return [...document.querySelectorAll('article img')].map(image => image.naturalWidth)")
    assert len(widths) == count, widths
    assert all(widths), widths


def _opened(browser: Browser, page: Path) -> bytes:
    browser.open(page.as_uri())
    return browser.window(*WINDOW)


def _texts(browser: Browser, css: str) -> list[str]:
    return [text.strip() for text in browser.run(
        f"return [...document.querySelectorAll({css!r})].map(each => each.textContent.replace('¶', ''))")]


#: The screenshots of the documentation.
SCREENS: dict[str, Callable[[Browser, Path], bytes]] = {"start": start_page, "guide": guide_page}

if __name__ == "__main__":
    main()
