"""The example about datasets: what it prints is what is in the account."""

from __future__ import annotations

import csv
import re

import pytest

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, printed_by

CITIES = EXAMPLES / "files" / "populated_places.csv"

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")


def _first_cities(count: int) -> list[tuple[str, float, float]]:
    """Read the shipped file without any help of CARTO's."""
    with CITIES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:count]
    points = [re.findall(r"-?[0-9.]+", row["the_geom"].partition(";")[2]) for row in rows]
    return [(row["name"], float(x), float(y)) for row, (x, y) in zip(rows, points, strict=True)]


def test_the_tour(sandbox: Sandbox) -> None:
    printed = printed_by("datasets.py", "--keep", environment=account_of(sandbox))
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        manager = DatasetManager(client)
        (dataset,) = [each for each in manager.all() if each.name.startswith("populated_places")]
        assert (dataset.privacy, dataset.table.row_count) == ("PUBLIC", 243)
        dataset.delete()
    assert re.search(rf"^populated_places.csv became {dataset.name} in [0-9.]+ s$", printed, re.MULTILINE)
    assert re.search(rf"^{dataset.name} +PRIVATE +243 +[0-9,]+  ST_Point$", printed, re.MULTILINE)
    assert f"{dataset.name} was PRIVATE and is PUBLIC: " in printed
    shown = re.findall(r"^(\S.*?) +(-?[0-9.]+) +(-?[0-9.]+)$", printed, re.MULTILINE)
    assert [(name, float(x), float(y)) for name, x, y in shown] == [
        (name, pytest.approx(x, abs=0.006), pytest.approx(y, abs=0.006)) for name, x, y in _first_cities(10)]


def test_nothing_is_left(sandbox: Sandbox) -> None:
    printed_by("datasets.py", environment=account_of(sandbox))
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        assert [each.name for each in DatasetManager(client).all() if "populated" in each.name] == []
