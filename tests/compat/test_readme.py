"""Every Python snippet of the README runs as it stands there, in the order in which it is read."""

from __future__ import annotations

import csv
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.exceptions import CartoForbiddenException
from carto.sql import SQLClient
from carto.visualizations import VisualizationManager
from tests.compat.snippets import run, snippets
from tests.file_server import serving
from tests.layers import write_layers

pytestmark = pytest.mark.usefixtures("carto_com")
import_api = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

README = Path(__file__).resolve().parents[2] / "README.md"

AUTHENTICATION = snippets(README, "Authentication")
QUERY, PARAMETERS, ITERATE, CSV, *BATCH_AND_COPY = snippets(README, "SQL API")
BATCH_CREATE, BATCH_CANCEL, BATCH_WAIT, *COPY = BATCH_AND_COPY
COPY_FILES, COPY_FILE_OBJECT, COPY_ROWS, COPY_STREAM = COPY
IMPORT, IMPORT_FAILS, IMPORT_LAYERS, IMPORT_JOBS, *DATASETS = snippets(README, "Import API")
SYNC, SYNC_JOBS, CHANGE, DELETE, MAPS = DATASETS


@pytest.fixture
def authenticated() -> tuple[dict[str, Any], str]:
    """Run the Authentication section; give its names and what it printed."""
    names: dict[str, Any] = {}
    printed = [run(snippet, names) for snippet in AUTHENTICATION]
    return names, "".join(printed)


@pytest.fixture
def names(authenticated: tuple[dict[str, Any], str]) -> dict[str, Any]:
    names, _ = authenticated
    sql = SQLClient(names["auth_client"])
    sql.send("DROP TABLE IF EXISTS mytable, adults, copy_example")
    sql.send("CREATE TABLE mytable AS SELECT * FROM (VALUES ('Ana', 30), ('Luis', 12)) AS people (name, age)")
    Path("copy_from.csv").write_text("the_geom,name,age\nSRID=4326;POINT(1 2),Ana,30\n")
    names["sql"] = sql
    return names


@pytest.fixture
def importing(authenticated: tuple[dict[str, Any], str]) -> Iterator[dict[str, Any]]:
    """Give an account without datasets, and the files that the section imports."""
    names, _ = authenticated
    Path("stores.csv").write_text("name,longitude,latitude\nCafé,16.37,48.21\n", encoding="utf-8")
    write_layers(Path("land.gpkg"), {"rivers": 3, "lakes": 2})
    _remove_datasets(names["auth_client"])
    yield names
    _remove_datasets(names["auth_client"])


def _remove_datasets(client: APIKeyAuthClient) -> None:
    for dataset in DatasetManager(client).all():
        dataset.force_delete()


def test_authentication(authenticated: tuple[dict[str, Any], str]) -> None:
    names, printed = authenticated
    assert printed == "me\n"
    for client, role_is_own in (("auth_client", True), ("member_client", True), ("public_client", False)):
        rows = SQLClient(names[client]).send("SELECT current_user <> 'publicuser' AS own")["rows"]
        assert rows == [{"own": role_is_own}], client


def test_queries(names: dict[str, Any]) -> None:
    assert run(QUERY, names) == "[{'name': 'Ana', 'age': 30}, {'name': 'Luis', 'age': 12}]\n"
    run(PARAMETERS, names)
    assert names["rows"] == [{"name": "Ana"}]
    assert run(ITERATE, names) == "Ana 30\nLuis 12\n"
    run(CSV, names)
    assert list(csv.reader(names["csv"].decode().splitlines())) == [["name", "age"], ["Ana", "30"], ["Luis", "12"]]


def test_a_query_that_fails_says_why(names: dict[str, Any]) -> None:
    names["sql"].send("DROP TABLE mytable")
    names["data"] = {"rows": []}
    assert 'relation "mytable" does not exist' in run(QUERY, names)


def test_batch_jobs(names: dict[str, Any]) -> None:
    assert run(BATCH_CREATE, names).strip() == names["job"]["job_id"]
    run(BATCH_CANCEL, names)
    assert names["status"] in ("cancelled", "done")
    assert run(BATCH_WAIT, names) == "done\n"
    assert names["sql"].send("SELECT sum(age) AS age FROM mytable")["rows"] == [{"age": 44}]


def test_copy(names: dict[str, Any]) -> None:
    assert run(COPY_FILES, names) == "1\n"
    with open("export.csv", newline="", encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["Ana"]
    run(COPY_FILE_OBJECT, names)
    run(COPY_ROWS, names)
    printed = run(COPY_STREAM, names).splitlines()
    assert printed == ["Ana 30", "Ana 30", *(f"someone {100 - i}" for i in range(1, 80))]


@import_api
def test_imports(importing: dict[str, Any]) -> None:
    assert run(IMPORT, importing) == "stores 1 ['ST_Point']\n"
    assert run(IMPORT_FAILS, importing).startswith("error 1005: Empty file. ")
    assert importing["private"].privacy == "PRIVATE"
    assert sorted(run(IMPORT_LAYERS, importing).splitlines()) == ["land_lakes", "land_rivers"]
    assert run(IMPORT_JOBS, importing) == "complete stores_2\n"
    assert {job.get_id() for job in importing["running"]} <= {importing["job"].get_id()}  # it may be done already


@import_api
def test_datasets_that_are_fetched_again(importing: dict[str, Any]) -> None:
    importing["dataset_manager"] = DatasetManager(importing["auth_client"])
    with serving(Path.cwd()) as address:
        run(SYNC.replace("https://example.com", address), importing)
        assert importing["sync_dataset"].name == "stores"
        assert run(SYNC_JOBS, importing) == "stores success 900\n"
    assert importing["sync"].enqueued is False
    assert importing["dataset_manager"].get("stores").synchronization.interval == 3600


@import_api
def test_datasets_and_maps(importing: dict[str, Any]) -> None:
    manager = importing["dataset_manager"] = DatasetManager(importing["auth_client"])
    made = [manager.create("stores.csv", privacy="PRIVATE") for _ in range(2)]
    assert run(CHANGE, importing) == "stores PRIVATE\nstores_1 PRIVATE\n"
    assert (manager.get(made[0].id).privacy, manager.get(made[0].id).description) == ("PUBLIC", "Where our stores are")
    run(DELETE, importing)
    assert manager.all() == [made[0]]
    VisualizationManager(importing["auth_client"]).create(name="my map", tables=["stores"])
    assert re.fullmatch(r"https?://\S+\.carto\n", run(MAPS, importing))
    assert zipfile.is_zipfile("my_map.carto")


@import_api
def test_api_keys_and_kuvizs(names: dict[str, Any]) -> None:
    create_key, create_kuviz = snippets(README, "API keys and kuvizs")
    names["sql"].send("DROP TABLE IF EXISTS stores; CREATE TABLE stores AS SELECT 'Café' AS name")
    run(create_key, names)
    reporting = SQLClient(names["reporting_client"])
    assert reporting.send("SELECT name FROM stores")["rows"] == [{"name": "Café"}]
    with pytest.raises(CartoForbiddenException, match="permission denied for table mytable"):
        reporting.send("SELECT * FROM mytable")
    names["key"].delete()
    names["sql"].send("DROP TABLE stores")
    assert re.fullmatch(r"https?://\S+/kuviz/\S+\n", run(create_kuviz, names))
    assert names["kuviz"].privacy == "password"
    names["kuviz"].delete()


def test_sandbox() -> None:
    in_python, with_faults = snippets(README, "The sandbox")
    names: dict[str, Any] = {}
    assert run(in_python, names).startswith("[{'postgis_version': '3.")
    assert run(with_faults, names) == "[{'one': 1}]\n"


def test_the_warning_about_non_public_apis_can_be_silenced(names: dict[str, Any]) -> None:
    (silence,) = snippets(README, "non-public APIs")
    with warnings.catch_warnings():
        run(silence, names)
        assert DatasetManager(names["auth_client"]).all() == []
