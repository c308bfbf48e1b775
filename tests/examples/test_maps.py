"""The example about maps: every city stands in the picture where it lies, and nothing is left in the account."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, printed_by
from tests.pictures import Pixels, colored, pixels

CITIES = EXAMPLES / "files" / "populated_places.csv"
BLUE = "#0f6fc6"

#: The picture: its width and height, its zoom, and the longitude and latitude of its middle.
SIZE, ZOOM, MIDDLE = (1024, 560), 2, (5, 25)

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def printed(sandbox: Sandbox, folder: Path) -> str:
    return printed_by("maps.py", environment=account_of(sandbox), cwd=folder)


def _row(latitude: float) -> float:
    return 0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)


def _places() -> list[tuple[float, float]]:
    """Give where the cities have to stand in the picture: column and row."""
    world = 256 * 2**ZOOM
    middle = (MIDDLE[0] / 360 + 0.5, _row(MIDDLE[1]))
    with CITIES.open(newline="", encoding="utf-8") as file:
        points = [re.findall(r"-?[0-9.]+", row["the_geom"].partition(";")[2]) for row in csv.DictReader(file)]
    shares = [(float(longitude) / 360 + 0.5, _row(float(latitude))) for longitude, latitude in points]
    return [((x - middle[0]) * world + SIZE[0] / 2, (y - middle[1]) * world + SIZE[1] / 2) for x, y in shares]


def _is_near(picture: Pixels, column: float, row: float) -> bool:
    x, y = round(column), round(row)
    return bool(colored(picture[max(y - 4, 0):y + 5, max(x - 4, 0):x + 5], BLUE).any())


def test_every_city_stands_where_it_lies(printed: str, folder: Path) -> None:
    (path,) = re.findall(r"^The map of populated_places.csv is in (.*)$", printed, re.MULTILINE)
    assert Path(path) == folder / "populated_places.png"
    picture = pixels(Path(path).read_bytes())
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    places = [(x, y) for x, y in _places() if 5 <= x < SIZE[0] - 5]
    assert len(places) > 235
    assert [place for place in places if not _is_near(picture, *place)] == []
    assert np.count_nonzero(colored(picture, BLUE)) < len(places) * 60


def test_nothing_is_left(printed: str, sandbox: Sandbox) -> None:
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        assert not [each for each in DatasetManager(client).all() if each.name.startswith("populated_places")]
