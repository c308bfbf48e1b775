"""Content guessing over a real socket: which columns name countries, and what their rows get."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from carto.sandbox import Sandbox
from carto.sandbox.importing import countries
from tests.sandbox.api import Account
from tests.sandbox.import_client import ImportClient
from tests.sandbox.processes import wait_until
from tests.sandbox.rails_client import Json

FORMS = """
SELECT count(*) AS rows, count(the_geom) AS located, max(GeometryType(the_geom)) AS kind, max(ST_SRID(the_geom)) AS srid
FROM {}
"""
# In the schema of the account's own role, which comes before PostGIS's.
WAITING_SHAPES = """
CREATE FUNCTION ST_GeomFromText(text, int) RETURNS geometry LANGUAGE sql AS
    'SELECT pg_advisory_xact_lock(1); SELECT public.ST_GeomFromText($1, $2)'
"""
LOCATED = "SELECT code, the_geom IS NOT NULL AS located FROM {} ORDER BY cartodb_id"


@pytest.fixture(scope="module")
def carto() -> Iterator[Sandbox]:
    with Sandbox(accounts=[{"name": "demo", "keys": [{"type": "master", "token": "master"}]}]) as running:
        yield running


@pytest.fixture
def account(carto: Sandbox) -> ImportClient:
    client = ImportClient(carto.account("demo").base_url, "master")
    client.drop_tables()
    return client


def forms(account: ImportClient, *values: str, **params: str) -> Json:
    """Import a column of words; return what the geometries are like."""
    return account.sql(FORMS.format(table_of(account, *values, **params)))[0]


def table_of(account: ImportClient, *values: str, **params: str) -> str:
    content = "".join(f'{number},"{value}"\n' for number, value in enumerate(values))
    return account.table_of(f"number,code\n{content}".encode(), "told.csv", **{"content_guessing": "true", **params})


def polygons(rows: int, located: int) -> Json:
    return {"rows": rows, "located": located, "kind": "MULTIPOLYGON", "srid": 4326}


def nothing(rows: int) -> Json:
    return {"rows": rows, "located": 0, "kind": None, "srid": None}


def test_names_of_countries(account: ImportClient) -> None:
    table = table_of(account, "Spain", "FRANCE", " germany ", "Ivory Coast", "Côte d'Ivoire", "")
    assert account.sql(FORMS.format(table)) == [polygons(rows=6, located=5)]
    inside = f"SELECT code FROM {table} WHERE ST_Contains(the_geom, ST_SetSRID(ST_MakePoint(-3.7, 40.4), 4326))"
    assert account.sql(inside) == [{"code": "Spain"}]
    assert account.columns(table) == {"number": "double precision", "code": "text"}
    assert account.sql(f"SELECT count(the_geom_webmercator) AS n FROM {table}") == [{"n": 5}]


@pytest.mark.parametrize("name", ["shapes", "wkt", "number", "key"])
def test_a_column_of_countries_may_have_any_name(account: ImportClient, name: str) -> None:
    table = account.table_of(f"note,{name}\nx,Spain\ny,Chad\n".encode(), "named.csv", content_guessing="true")
    assert account.sql(f"SELECT count(the_geom) AS n FROM {table}") == [{"n": 2}]


@pytest.mark.parametrize("codes", [("ESP", "FRA", "FJI"), ("ES", "NA", "FJ")])
def test_codes_of_countries(account: ImportClient, codes: tuple[str, ...]) -> None:
    assert forms(account, *codes) == polygons(rows=3, located=3)


def test_a_few_other_words_get_no_shape(account: ImportClient) -> None:
    table = table_of(account, "Spain", "Atlantis", "PRT", "FR", "Chad")
    assert [tuple(row.values()) for row in account.sql(LOCATED.format(table))] == [
        ("Spain", True), ("Atlantis", False), ("PRT", True), ("FR", True), ("Chad", True)
    ]  # fmt: skip


def test_nothing_is_guessed_unless_asked(account: ImportClient) -> None:
    assert forms(account, "Spain", "France", content_guessing="false") == nothing(2)
    table = account.table_of(b"code\nSpain\nFrance\n", "untold.csv")
    assert account.sql(FORMS.format(table)) == [nothing(2)]


@pytest.mark.parametrize(
    "words",
    [
        ("Madrid", "Paris", "Berlin"),
        ("Spain", "France", "Portugal", "Mordor", "Atlantis"),  # 60 percent
        ("Spain", "Spain", "Spain"),
        ("es", "fr", "de"),
        ("", "", "-"),
    ],
)
def test_other_columns_stay_as_they_are(account: ImportClient, words: tuple[str, ...]) -> None:
    assert forms(account, *words) == nothing(len(words))


def test_positions_in_a_file_are_kept(account: ImportClient) -> None:
    files = {
        "points.csv": "country,lat,lon\nSpain,1,2\nFrance,3,4\n",
        "texts.csv": "country,the_geom\nSpain,POINT(2 1)\nFrance,POINT(4 3)\n",
    }
    for name, content in files.items():
        table = account.table_of(content.encode(), name, content_guessing="true")
        kept = f"SELECT ST_AsText(the_geom) AS point FROM {table} ORDER BY cartodb_id"
        assert account.sql(kept) == [{"point": "POINT(2 1)"}, {"point": "POINT(4 3)"}]


def test_a_table_may_be_overwritten_with_its_countries(account: ImportClient) -> None:
    table_of(account, "Spain", "France")
    table = table_of(account, "Portugal", "Italy", "Chad", collision_strategy="overwrite")
    assert (table, account.sql(FORMS.format(table))) == ("told", [polygons(rows=3, located=3)])


def test_the_state_is_guessing_meanwhile(account: ImportClient) -> None:
    account.sql(f"CREATE SCHEMA AUTHORIZATION current_user; {WAITING_SHAPES}")
    sql = Account(account.base_url, account.api_key)
    with sql.lock_held("hashtext('carto_sandbox.importing')"):
        with sql.lock_held("1"):
            started = account.start(b"code\nSpain\nFrance\n", "waiting.csv", content_guessing="true")
            wait_until(lambda: account.read(started)["state"] == "guessing")
        wait_until(lambda: account.read(started)["state"] == "importing")
    account.complete(started)
    account.sql("DROP FUNCTION ST_GeomFromText(text, int)")


def test_every_country_has_a_valid_shape_and_keys_of_its_own(account: ImportClient) -> None:
    file = Path(countries.__file__).with_name("countries.csv")
    with file.open(encoding="utf-8", newline="") as opened:
        known = list(csv.DictReader(opened))
    assert len(known) == 177
    keys = [key for row in known for key in (row["iso_a2"], row["iso_a3"], *row["names"].lower().split("|")) if key]
    assert len(keys) == len(set(keys))
    assert [row["names"] for row in known if min(map(len, row["names"].split("|"))) <= 3] == []
    valid = "SELECT count(*) AS n FROM told WHERE ST_IsValid(the_geom)"
    table_of(account, *[row["names"].partition("|")[0] for row in known])
    assert account.sql(valid) == [{"n": 177}]
