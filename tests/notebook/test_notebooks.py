"""The notebooks, each run once: their tables, numbers and pictures are what the shipped data say."""

from __future__ import annotations

import ast
import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from carto.sandbox import Sandbox
from tests.notebook.browser import started_browser
from tests.notebook.execution import ExecutedNotebook, executed_notebook
from tests.pictures import colored, pixels
from tests.sandbox.rails_client import RailsClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = EXAMPLES / "files"
EARTH_RADIUS_KM = 6371
BLUE, RED, GREEN, YELLOW, DARK = "#0f6fc6", "#d1495b", "#2e933c", "#f2b134", "#30497a"

#: Longitude and latitude.
Place: TypeAlias = tuple[float, float]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cities() -> dict[str, Place]:
    with (FILES / "populated_places.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = [re.findall(r"-?[0-9.]+", row["the_geom"].partition(";")[2]) for row in rows]
    return {row["name"]: (float(x), float(y)) for row, (x, y) in zip(rows, points, strict=True)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


def _run(name: str, sandbox: Sandbox, folder: Path) -> ExecutedNotebook:
    """Run a notebook that has to leave the account as it was, and hold no key."""
    account = RailsClient(sandbox.base_url, sandbox.api_key)
    before = account.names(types="table,derived")
    notebook = executed_notebook(EXAMPLES / f"{name}.ipynb", sandbox, folder)
    assert account.names(types="table,derived") == before
    assert sandbox.api_key not in notebook.content
    return notebook


def _km(one: Place, other: Place) -> float:
    longitude, latitude, longitude_2, latitude_2 = map(math.radians, (*one, *other))
    cosine = (math.sin(latitude) * math.sin(latitude_2)
              + math.cos(latitude) * math.cos(latitude_2) * math.cos(longitude - longitude_2))
    return EARTH_RADIUS_KM * math.acos(min(1.0, cosine))


def _spread(png: bytes, color: str) -> tuple[int, float]:
    """Count the pixels of a color, and tell over how much of the width they are."""
    drawn = colored(pixels(png), color)
    columns = np.nonzero(drawn)[1]
    return len(columns), float(np.ptp(columns) / drawn.shape[1]) if len(columns) else 0.0


# ---- quickstart.ipynb


@pytest.fixture(scope="module")
def quickstart(sandbox: Sandbox, folder: Path) -> ExecutedNotebook:
    return _run("quickstart", sandbox, folder)


def test_the_dataset_shows_itself(quickstart: ExecutedNotebook, cities: dict[str, Place]) -> None:
    shown = dict(quickstart.ending_in("cities").table())
    assert (shown["rows"], shown["geometry"], shown["privacy"]) == (str(len(cities)), "ST_Point", "PRIVATE")


def test_the_cities_near_vienna(quickstart: ExecutedNotebook, cities: dict[str, Place]) -> None:
    shown: dict[str, int] = ast.literal_eval(quickstart.ending_in("near_vienna").text)
    here = (16.37, 48.21)
    assert set(shown) == {name for name, place in cities.items() if _km(here, place) < 600}
    for name, km in shown.items():
        assert km == pytest.approx(_km(here, cities[name]), rel=0.005, abs=1)
    assert list(shown.values()) == sorted(shown.values())


def test_the_northernmost_city(quickstart: ExecutedNotebook, cities: dict[str, Place]) -> None:
    name = max(cities, key=lambda each: cities[each][1])
    shown = ast.literal_eval(quickstart.ending_in("northernmost").text)
    assert shown == {"name": name, "latitude": pytest.approx(cities[name][1])}


def test_the_loneliest_cities(quickstart: ExecutedNotebook, cities: dict[str, Place]) -> None:
    def nearest(city: str) -> tuple[float, str]:
        return min((_km(cities[city], place), name) for name, place in cities.items() if name != city)

    assert quickstart.ending_in('job["status"]').text == "'done'"
    shown = ast.literal_eval(quickstart.ending_in("loneliest").text)
    wanted = sorted(((*nearest(city), city) for city in cities), reverse=True)[:3]
    assert [(row["city"], row["neighbour"]) for row in shown] == [(city, neighbour) for _, neighbour, city in wanted]
    assert [float(row["km"]) for row in shown] == [pytest.approx(km, rel=0.007) for km, _, _ in wanted]


def test_the_picture_of_the_neighbours(quickstart: ExecutedNotebook) -> None:
    picture = quickstart.ending_in("neighbours_map").picture()
    for color in (BLUE, RED):
        count, width = _spread(picture, color)
        assert count > 500
        assert width > 0.5


# ---- imports.ipynb


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox, folder: Path) -> ExecutedNotebook:
    return _run("imports", sandbox, folder)


def test_a_file_and_bytes(imports: ExecutedNotebook, cities: dict[str, Place]) -> None:
    assert ["rows", str(len(cities))] in imports.ending_in("cities").table()
    assert imports.ending_in("states[-1]").text == "'complete'"
    places = ast.literal_eval(imports.ending_in("places").text)
    assert [row["place"] for row in places] == ["POINT(-19 65)", "POINT(47 -20)", "POINT(146.6 -42)"]


def test_guesses(imports: ExecutedNotebook) -> None:
    assert ast.literal_eval(imports.ending_in("found").text) == {True: [1010, 1020], False: ["1010", "1020"]}


def test_lists_of_datasets(imports: ExecutedNotebook) -> None:
    header, *days = imports.ending_in("days").table()
    assert header[:2] == ["name", "privacy"]
    assert [row[0] for row in days] == ["notebook_monday", "notebook_sunday"]
    _, *everything = imports.ending_in("listing").table()
    assert {row[0]: row[1] for row in everything} == {
        "populated_places": "PRIVATE", "notebook_islands": "LINK", "notebook_monday": "PRIVATE",
        "notebook_sunday": "PRIVATE", "daylight_2": "PRIVATE"}


def test_failures_and_jobs(imports: ExecutedNotebook, cities: dict[str, Place]) -> None:
    assert "failure: error 3101: Missing projection (.prj) file" in imports.ending_in("print(failure)").printed
    job = imports.ending_in("job.state, later.table.row_count").text
    assert ast.literal_eval(job) == ("complete", len(cities))


# ---- copy_and_pandas.ipynb


@pytest.fixture(scope="module")
def copied(sandbox: Sandbox, folder: Path) -> ExecutedNotebook:
    return _run("copy_and_pandas", sandbox, folder)


@pytest.fixture(scope="module")
def daylight() -> list[dict[str, str]]:
    rows = []
    for number in range(1, 8):
        with (FILES / f"daylight_{number}.csv").open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


def test_the_rows_that_go_in(copied: ExecutedNotebook, daylight: list[dict[str, str]]) -> None:
    header, *described = copied.ending_in("described").table()
    hours = [float(row["hours"]) for row in daylight]
    assert header == ["", "latitude", "hours"]
    assert {name: float(value) for name, _, value in described} == {
        "count": len(hours), "min": min(hours), "max": max(hours),
        "mean": pytest.approx(sum(hours) / len(hours), abs=0.006)}
    assert copied.ending_in('loaded["total_rows"]').text == str(len(daylight))


def test_the_rows_that_come_out(copied: ExecutedNotebook, daylight: list[dict[str, str]]) -> None:
    days, _, *bands = copied.ending_in("week").table()
    assert days == ["day", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    limits = {"12 to 18 h": (12, 18), "above 18 h": (18, 24), "below 12 h": (0, 12)}
    assert [band for band, *_ in bands] == list(limits)
    for band, *means in bands:
        low, high = limits[band]
        for day, mean in zip(sorted({row["day"] for row in daylight}), means, strict=True):
            hours = [float(row["hours"]) for row in daylight if row["day"] == day and low <= float(row["hours"]) < high]
            assert float(mean) == pytest.approx(sum(hours) / len(hours), abs=0.0006)
    assert copied.ending_in("longest").text == str(max(float(row["hours"]) for row in daylight))


def test_the_picture_of_the_daylight(copied: ExecutedNotebook) -> None:
    picture = copied.ending_in("sunday").picture()
    counts = {color: _spread(picture, color)[0] for color in (DARK, RED, YELLOW)}
    assert counts[RED] > counts[DARK] > counts[YELLOW] > 50


# ---- kuviz.ipynb


@pytest.fixture(scope="module")
def published(sandbox: Sandbox, folder: Path) -> Iterator[ExecutedNotebook]:
    """Run the notebook, which leaves its page to be looked at."""
    notebook = _run("kuviz", sandbox, folder)
    yield notebook
    account = RailsClient(sandbox.base_url, sandbox.api_key)
    (left,) = account.json("GET", "v4/kuviz")["visualizations"]
    assert account.call("DELETE", f"v4/kuviz/{left['id']}").status_code == 204


def test_a_page_is_published_protected_and_replaced(published: ExecutedNotebook) -> None:
    """What a visitor sees, and the privacy, as the notebook goes on."""
    assert published.ending_in('"<h1>Cities</h1>" in seen, kuviz.privacy').text == "(True, 'public')"
    assert published.ending_in('"<h1>Cities</h1>" in protected, kuviz.privacy').text == "(False, 'password')"
    assert published.ending_in("kuviz.privacy").text == "'public'"
    assert published.ending_in("replaced.url == kuviz.url").text == "True"
    header, row = published.ending_in("kuviz_manager.all()").table()
    assert (header[:2], row[:2]) == (["name", "privacy"], ["notebook_cities", "public"])


def test_the_frame_shows_the_page(
    published: ExecutedNotebook, sandbox: Sandbox, cities: dict[str, Place], folder: Path
) -> None:
    shown = published.ending_in("IFrame(replaced.url, width=820, height=640)").html
    (url,) = re.findall(r'src="([^"]+)"', shown)
    assert url.startswith(f"{sandbox.base_url}kuviz/")
    with started_browser(folder / "profile") as browser:
        browser.open(url)
        assert [browser.text(each) for each in browser.elements("h1")] == ["Cities of the north"]
        names = [browser.text(each) for each in browser.elements("td:first-child")]
        assert names == sorted(cities, key=lambda name: -cities[name][1])[:5]
        (image,) = browser.elements("img")
        count, width = _spread(browser.picture(image), GREEN)
    assert count > 1000
    assert width > 0.5
