"""Dataviews over a real socket: formulas, categories, histograms, filters and places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.maps_client import Json, MapsClient, config, errors, features, maps_client

WEST = "-10,30,0,36"
"""Where the first five points are, the fifth on the edge."""


@pytest.fixture(scope="module")
def maps(sandbox: Sandbox) -> MapsClient:
    return maps_client(sandbox).public


@pytest.fixture(scope="module")
def table(sandbox: Sandbox) -> Iterator[str]:
    with maps_client(sandbox).table() as name:
        yield name


def described(table: str, **dataviews: Json) -> Json:
    views = {name: {"source": {"id": "a"}, **view} for name, view in dataviews.items()}
    source = {"id": "a", "type": "source", "params": {"query": f"SELECT * FROM {table}"}}
    return config({"options": {"source": {"id": "a"}}}, analyses=[source], dataviews=views)


def formula(operation: str, column: str = "n") -> Json:
    return {"type": "formula", "options": {"column": column, "operation": operation}}


def categories(aggregation: str = "count", column: str = "kind", **options: str) -> Json:
    return {"type": "aggregation", "options": {"column": column, "aggregation": aggregation, **options}}


def histogram(column: str, **options: Any) -> Json:
    return {"type": "histogram", "options": {"column": column, **options}}


def read(maps: MapsClient, table: str, view: Json, **params: Any) -> Json:
    response = maps.get(f"/{maps.token(described(table, d=view))}/dataview/d", **params)
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


@pytest.mark.parametrize(
    ("operation", "result"), [("count", 12), ("sum", 78), ("avg", 6.5), ("min", 1), ("max", 12)]
)
def test_formulas(maps: MapsClient, table: str, operation: str, result: float) -> None:
    answer = {"operation": operation, "result": result, "nulls": 1, "type": "formula"}
    assert read(maps, table, formula(operation)) == answer


def test_numbers_that_are_none_are_counted_apart(maps: MapsClient, table: str, sandbox: Sandbox) -> None:
    with maps_client(sandbox).table() as other:
        maps_client(sandbox).sql(f"INSERT INTO {other} (v) VALUES ('NaN'), ('Infinity'), ('-Infinity')")
        answer = read(maps, other, formula("avg", "v"))
        assert answer == {"operation": "avg", "result": 9.75, "nulls": 1, "nans": 1, "infinities": 2, "type": "formula"}
        shown = read(maps, other, histogram("v"))
        assert (shown["nans"], shown["infinities"], shown["nulls"]) == (1, 2, 1)
        assert sum(each["freq"] for each in shown["bins"]) == 12


def test_categories(maps: MapsClient, table: str) -> None:
    answer = read(maps, table, categories())
    assert {key: answer[key] for key in ("count", "nulls", "min", "max", "categoriesCount")} == {
        "count": 13,
        "nulls": 1,
        "min": 4,
        "max": 4,
        "categoriesCount": 4,
    }
    assert sorted((each["category"], each["value"], each["agg"]) for each in answer["categories"]) == [
        ("blue", 4, False),
        ("green", 4, False),
        ("red", 4, False),
    ]
    summed = read(maps, table, categories("sum", aggregationColumn="n"))
    assert [(each["category"], each["value"]) for each in summed["categories"]] == [
        ("red", 30),
        ("blue", 26),
        ("green", 22),
    ]


def test_small_categories_are_put_into_one(maps: MapsClient, table: str) -> None:
    by_name = categories("max", "name", aggregationColumn="v")
    answer = read(maps, table, by_name)
    assert [each["category"] for each in answer["categories"]] == ["p12", "p11", "p10", "p9", "p8", "Other"]
    assert answer["categories"][-1] == {"category": "Other", "value": 10.5, "agg": True}
    few = read(maps, table, by_name, categories=2)
    assert [each["value"] for each in few["categories"]] == [18, 16.5]
    assert len(read(maps, table, by_name, own_filter=1)["categories"]) == 12


def test_histograms_of_numbers(maps: MapsClient, table: str) -> None:
    answer = read(maps, table, histogram("n"), bins=3)
    assert (answer["bin_width"], answer["bins_count"], answer["bins_start"]) == (11 / 3, 3, 1)
    assert [each["freq"] for each in answer["bins"]] == [4, 4, 4]
    assert answer["bins"][0] == {"bin": 0, "min": 1, "max": 4, "avg": 2.5, "freq": 4}
    part = read(maps, table, histogram("n"), start=0, end=6, bins=3)
    assert [each["freq"] for each in part["bins"]] == [1, 2, 3]
    assert read(maps, table, histogram("n"))["bins_count"] == 6


def test_histograms_of_dates(maps: MapsClient, table: str) -> None:
    answer = read(maps, table, histogram("seen", aggregation="auto"))
    assert (answer["aggregation"], answer["bins_count"], answer["bin_width"]) == ("day", 12, 86400)
    assert answer["timestamp_start"] == 1577923200
    assert [each["freq"] for each in answer["bins"]] == [1] * 12 + [1]  # the last one is the row without a date
    by_month = read(maps, table, histogram("seen"), aggregation="month", offset=3600)
    assert by_month["bins"][0] == {
        "bin": 0,
        "min": 1577833200,
        "max": 1577833200,
        "avg": 1577833200,
        "freq": 12,
        "timestamp": 1577833200,
    }
    weeks = read(maps, table, histogram("seen", aggregation="week"))
    assert [(each["bin"], each["freq"]) for each in weeks["bins"]][:3] == [(0, 4), (1, 7), (2, 1)]


def test_places(maps: MapsClient, table: str) -> None:
    count = formula("count")
    circle = json.dumps({"lat": 33, "lng": -4, "radius": 300_000})
    polygon = json.dumps({"type": "Polygon", "coordinates": [[[-10, 30], [0, 30], [0, 36], [-10, 36], [-10, 30]]]})
    assert read(maps, table, count, bbox=WEST)["result"] == 5
    assert read(maps, table, count, bbox="-200,-80,200,80")["result"] == 12
    assert read(maps, table, count, bbox="350,30,360,36")["result"] == 5
    assert read(maps, table, count, circle=circle)["result"] == 3
    assert read(maps, table, count, polygon=polygon)["result"] == 5
    nowhere = "170,80,171,81"
    assert read(maps, table, formula("sum"), bbox=nowhere) == {
        "operation": "sum",
        "result": None,
        "nulls": None,
        "type": "formula",
    }
    assert read(maps, table, categories(), bbox=nowhere)["categories"] == []
    assert read(maps, table, histogram("n"), bbox=nowhere)["bins"] == []


def test_a_filter_applies_to_everything_but_its_own_dataview(maps: MapsClient, table: str) -> None:
    views = described(table, kinds=categories(), count=formula("count"), hist=histogram("n"))
    plain = maps.token(views)

    def filtered(chosen: Json) -> tuple[str, Json]:
        token = maps.token(views, filters=json.dumps({"dataviews": chosen}))
        return token, maps.get(f"/{token}/dataview/count").json()

    token, count = filtered({"kinds": {"accept": ["red"]}})
    assert count["result"] == 4
    assert token != plain
    assert len(features(maps.get(f"/{token}/0/0/0.mvt").content)) == 4
    assert len(maps.get(f"/{token}/dataview/kinds").json()["categories"]) == 3
    assert len(maps.get(f"/{token}/dataview/kinds", own_filter=1).json()["categories"]) == 1
    assert maps.get(f"/{token}/dataview/count", no_filters=1).json()["result"] == 12
    assert filtered({"kinds": {"reject": ["red"]}})[1]["result"] == 8
    assert filtered({"hist": {"min": 2, "max": 5}})[1]["result"] == 4
    assert filtered({"hist": {"greater_than": 2}, "kinds": {"accept": ["red"]}})[1]["result"] == 4
    for hostile in ("re'd", "$escape_0$ OR true OR $escape_0$", "a$escape_0", "x') OR true --", "$$"):
        assert filtered({"kinds": {"accept": [hostile]}})[1]["result"] == 0
    assert filtered({"nothing": {"accept": ["red"]}})[0] == plain
    assert maps.token(views, filters="{bad") == plain
    assert maps.instantiate(views, filters=json.dumps({"dataviews": {"hist": {}}})).status_code == 400


def test_searches(maps: MapsClient, table: str) -> None:
    token = maps.token(described(table, kinds=categories(), count=formula("count")))
    found = maps.get(f"/{token}/dataview/kinds/search", q="RE").json()
    assert sorted(each["category"] for each in found["categories"]) == ["green", "red"]
    for text in ("nothing", "'; DROP TABLE x; --", ""):
        response = maps.get(f"/{token}/dataview/kinds/search", q=text)
        assert response.json() == {"type": "aggregation", "categories": []}
    (blue,) = maps.get(f"/{token}/0/widget/kinds/search", q="blu").json()["categories"]
    assert blue == {"category": "blue", "value": 4}


@pytest.mark.parametrize(
    ("view", "params", "message"),
    [
        (formula("median"), {}, "Formula does not support 'median' operation"),
        ({"type": "formula", "options": {"operation": "sum"}}, {}, "Formula expects 'column' in dataview options"),
        (categories("sum"), {}, "Aggregation expects 'aggregationColumn' in dataview options"),
        ({"type": "aggregation", "options": {}}, {}, "Aggregation expects 'column' in dataview options"),
        ({"type": "histogram"}, {}, "Histogram expects 'column' in dataview options"),
        ({"type": "wadus"}, {}, 'Invalid dataview type: "wadus"'),
        (formula("count"), {"bins": "x"}, "Invalid number format for parameter 'bins'"),
        (formula("count"), {"bbox": "1,2,3"}, 'Invalid bbox filter, expected format="west,south,east,north"'),
        (formula("count"), {"circle": '{"lat":1}'}, 'Invalid circle filter: {"lat":1}'),
        (
            formula("count"),
            {"own_filter": 1, "no_filters": 1},
            "Both own_filter and no_filters cannot be sent in the same request",
        ),
        (histogram("seen", aggregation="fortnight"), {}, "Invalid aggregation value. Valid ones: auto, second, minute,"
         " hour, day, week, month, quarter, year, decade, century, millennium"),
    ],
)
def test_bad_options_pass_at_creation_and_fail_when_read(
    maps: MapsClient, table: str, view: Json, params: Json, message: str
) -> None:
    response = maps.get(f"/{maps.token(described(table, d=view))}/dataview/d", **params)
    assert (response.status_code, errors(response)) == (400, [message])


def test_dataviews_that_there_are_not(maps: MapsClient, table: str) -> None:
    token = maps.token(described(table, d=formula("count")))
    assert errors(maps.get(f"/{token}/dataview/other")) == ["Dataview 'other' does not exist"]
    response = maps.instantiate(config(dataviews={"a": {"source": {"id": "x"}}, "b": {"source": {"id": "y"}}}))
    assert [each["type"] for each in response.json()["errors_with_context"]] == ["analysis", "analysis"]
    assert errors(maps.instantiate(config(dataviews=[]))) == [
        '"dataviews" must be a valid JSON object: "array" type found'
    ]
    assert errors(maps.instantiate(config(dataviews={"a": {}}))) == ['Dataview "a" is missing `source.id` attribute']
    missing = read_error(maps, table, formula("sum", "nothing"))
    assert missing == (404, ['column "nothing" does not exist'])


def read_error(maps: MapsClient, table: str, view: Json) -> tuple[int, list[str]]:
    response = maps.get(f"/{maps.token(described(table, d=view))}/dataview/d")
    return response.status_code, errors(response)
