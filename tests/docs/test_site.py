"""The documentation, built: no warning, no broken link, every public name, and what a browser shows of it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

from carto.sandbox import Sandbox
from tests.docs.screens import built_site, guide_page, is_drawn, photographed_notebook, start_page
from tests.notebook.browser import Browser, started_browser
from tests.packaging.project import modules
from tests.pictures import pixels

pytestmark = pytest.mark.slow

#: Of the sandbox's modules, what its users may import; the others are for itself.
SANDBOX = ("carto.sandbox", "carto.sandbox.accounts", "carto.sandbox.faults")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


class _Links(HTMLParser):
    """Collects where a page leads, and the places on it that can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {str(given[name]) for name in ("id", "name") if given.get(name)}
        self.targets |= {str(given[name]) for name in ("href", "src") if given.get(name)}


def test_every_internal_link_leads_somewhere(site: Path) -> None:
    pages = {page: _Links(page) for page in site.rglob("*.html")}
    assert len(pages) > 30
    broken = [f"{page.relative_to(site)}: {target}" for page, links in pages.items() for target in links.targets
              if not _leads_somewhere(target, page, pages)]
    assert broken == []


def _leads_somewhere(target: str, page: Path, pages: dict[Path, _Links]) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    anchors = pages[file].anchors if file in pages else {""}
    return file.is_file() and (not parts.fragment or unquote(parts.fragment) in anchors)


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<h1 id="top"></h1><a href="other.html"></a><a href="#top"></a><a href="#bottom"></a>')
    links = {page: _Links(page)}
    lost = {target for target in links[page].targets if not _leads_somewhere(target, page, links)}
    assert lost == {"other.html", "#bottom"}


def _public_modules() -> list[str]:
    names = [name for name in modules() if not any(part.startswith("_") for part in name.split(".")[1:])]
    return [name for name in names if not name.startswith("carto.sandbox") or name in SANDBOX]


def _public_members(module: ModuleType) -> dict[str, Any]:
    """Give the classes and functions that a module defines, or says that it has."""
    said = getattr(module, "__all__", None)
    members = {name: member for name, member in vars(module).items()
               if inspect.isfunction(member) or (inspect.isclass(member) and not get_origin(member))}  # Python 3.10
    return {name: member for name, member in members.items()
            if (name in said if said else member.__module__ == module.__name__ and not name.startswith("_"))}


def _documented(site: Path) -> tuple[set[str], list[Any]]:
    """Give the modules of the reference, and the objects that it describes."""
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    names = [name for kind in ("py:class", "py:exception", "py:function") for name in inventory.get(kind, {})]
    places = [name.rpartition(".") for name in names]
    described = [getattr(importlib.import_module(module), name) for module, _, name in places
                 if module in modules()]
    return set(inventory["py:module"]), described


def test_the_reference_has_every_public_name(site: Path) -> None:
    documented_modules, described = _documented(site)
    missing = []
    for name in _public_modules():
        members = _public_members(importlib.import_module(name))
        missing += [f"{name}.{each}" for each, member in members.items()
                    if not any(member is object_ for object_ in described)]
        if name not in documented_modules and not members:
            missing.append(name)
    assert missing == []


def test_the_start_page_in_a_browser(browser: Browser, site: Path) -> None:
    assert pixels(start_page(browser, site)).std() > 10


def test_a_guide_in_a_browser(browser: Browser, site: Path) -> None:
    assert pixels(guide_page(browser, site)).std() > 10


@pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")
def test_a_notebook_in_a_browser(sandbox: Sandbox, tmp_path: Path) -> None:
    assert is_drawn(photographed_notebook(sandbox, tmp_path))
