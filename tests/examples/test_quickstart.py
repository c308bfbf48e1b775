"""The quickstart's table says what happened: the test counts for itself."""

from __future__ import annotations

import csv
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, printed_by

CITIES = EXAMPLES / "files" / "populated_places.csv"

EARTH_RADIUS_KM = 6371.0088
VIENNA = (16.37, 48.21)

Point = tuple[float, float]


def _cities() -> dict[str, Point]:
    """Read the shipped file without any help of CARTO's."""
    with CITIES.open(newline="", encoding="utf-8") as file:
        return {row["name"]: _point(row["the_geom"]) for row in csv.DictReader(file)}


def _point(ewkt: str) -> Point:
    longitude, latitude = ewkt.removeprefix("SRID=4326;POINT(").removesuffix(")").split()
    return float(longitude), float(latitude)


def _km_between(one: Point, other: Point) -> float:
    """Measure on a sphere, by the haversine formula."""
    (x1, y1), (x2, y2) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half))


def _about(km: float) -> Any:
    """Allow for the spheroid, on which PostGIS measures (0.6 %), and for the rounding of what was printed."""
    return pytest.approx(km, abs=0.006 * km + 0.5)


def _steps(printed: str) -> dict[str, tuple[int, int | None, float]]:
    """Read the table: rows, bytes and seconds of every step."""
    lines = re.findall(r"^(\S.*?) {2,}([\d,]+) +([\d,]+|-) +(\d+\.\d+)$", printed, re.MULTILINE)
    return {name: (_number(rows), None if size == "-" else _number(size), float(s)) for name, rows, size, s in lines}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quickstart") / "quickstart_neighbours.csv"


@pytest.fixture(scope="module")
def printed(sandbox: Sandbox, result: Path) -> str:
    """Run the script twice, since the second run finds the tables of the first; give what the second printed."""
    for options in (["--keep"], []):
        text = printed_by("quickstart.py", "--output", result.parent, *options,
                          environment=account_of(sandbox, organization=True))
    return text


def test_the_table_has_a_line_for_every_step(printed: str) -> None:
    steps = _steps(printed)
    assert list(steps) == [
        "COPY FROM a file",
        "query with parameters",
        "all rows, one at a time",
        "Batch job",
        "COPY TO a file",
    ]
    assert all(0 < seconds < 60 for _, _, seconds in steps.values())


def test_all_cities_were_loaded_and_read_back(printed: str) -> None:
    steps, cities = _steps(printed), len(_cities())
    assert steps["COPY FROM a file"][:2] == (cities, CITIES.stat().st_size)
    assert steps["all rows, one at a time"][0] == cities


def test_the_cities_near_vienna_are_those_within_the_distance(printed: str) -> None:
    distances = {name: _km_between(VIENNA, point) for name, point in _cities().items()}
    assert not [km for km in distances.values() if km == _about(900)], "too close to the limit to be sure"
    near = {name: _about(km) for name, km in distances.items() if km < 900}
    listed = re.findall(r"(\w[^,]*?) (\d+) km", printed.splitlines()[1])
    assert {name: int(km) for name, km in listed} == near
    assert [int(km) for _, km in listed] == sorted(int(km) for _, km in listed)
    assert _steps(printed)["query with parameters"][0] == len(near)


def test_the_exported_file_holds_the_nearest_neighbour_of_every_city(printed: str, result: Path) -> None:
    with result.open(newline="", encoding="utf-8") as file:
        exported = {row["city"]: (row["neighbour"], float(row["km"])) for row in csv.DictReader(file)}
    cities = _cities()
    assert _steps(printed)["COPY TO a file"][:2] == (len(exported), result.stat().st_size)
    assert _steps(printed)["Batch job"][0] == len(exported) == len(cities)
    for city, (neighbour, km) in exported.items():
        nearest = min(_km_between(cities[city], point) for name, point in cities.items() if name != city)
        assert _km_between(cities[city], cities[neighbour]) == _about(nearest), city
        assert km == _about(nearest), city


def test_nothing_is_left_in_the_account(printed: str, sandbox: Sandbox) -> None:
    query = "SELECT count(*) AS n FROM pg_tables WHERE tablename LIKE 'quickstart%'"
    answer = requests.get(f"{sandbox.base_url}api/v2/sql", params={"q": query, "api_key": sandbox.api_key}, timeout=30)
    assert answer.json()["rows"] == [{"n": 0}]


def test_the_shipped_data_are_whole() -> None:
    cities = _cities()
    assert len(cities) == 243
    assert all(-180 <= longitude <= 180 and -90 <= latitude <= 90 for longitude, latitude in cities.values())
    assert {"Vienna", "São Paulo", "Ōsaka", "Chișinău"} <= set(cities)
    assert "?" not in CITIES.read_text(encoding="utf-8")


def test_the_demo_brings_its_own_account(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTO_API")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES.parent / ".ci" / "demo.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(_steps(done.stdout)) == 5
    assert "populated_places was PRIVATE and is PUBLIC" in done.stdout
    assert done.stdout.endswith(f"The map of populated_places.csv is in {tmp_path / 'populated_places.png'}\n")
    assert (tmp_path / "populated_places.png").stat().st_size > 10_000
    url = re.findall(r"^export CARTO_API_URL=(.*)$", done.stdout, re.MULTILINE)[0]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
