"""Scripts written after carto-python's README run unchanged, and do what they did."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.datasets import DatasetManager
from carto.exceptions import CartoException, CartoUsageException
from carto.sql import SQLClient
from carto.visualizations import VisualizationManager
from tests.compat.snippets import run, snippets
from tests.file_server import serving

pytestmark = pytest.mark.usefixtures("carto_com")
import_api = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

README = Path(__file__).parent / "carto_python_readme.md"
PLACEHOLDER = "type here your username"

NO_AUTH, API_KEY, BASE_URLS = snippets(README, "Authentication")
QUERY, BATCH_CREATE, BATCH_REST, COPY_FILES, COPY_FILE_OBJECT, COPY_ROWS = snippets(README, "SQL API")
IMPORT, IMPORT_SYNC, SYNC_JOB, LIST_IMPORTS, *DATASETS = snippets(README, "Import API")
LIST, GET, CHANGE, DELETE, EXPORT = DATASETS


@pytest.fixture
def names() -> dict[str, Any]:
    """Give what a reader has before the SQL section: an authentication client, and the imports taken for granted."""
    names: dict[str, Any] = {"CartoException": CartoException}
    run(API_KEY.replace(PLACEHOLDER, "fulano"), names)
    return names


@pytest.fixture
def sql(names: dict[str, Any]) -> SQLClient:
    return SQLClient(names["auth_client"])


@pytest.mark.parametrize("snippet", [NO_AUTH, API_KEY])
def test_the_clients_are_made_as_written_and_sending_tells_to_fill_in_the_name(snippet: str) -> None:
    names: dict[str, Any] = {}
    run(snippet, names)
    assert names["auth_client"].base_url == f"https://{PLACEHOLDER}.carto.com/"
    with pytest.raises(CartoUsageException, match=f"the host '{PLACEHOLDER}.carto.com' .* fill in"):
        SQLClient(names["auth_client"]).send("SELECT 1")


def test_unauthenticated_requests_reach_carto_com() -> None:
    names: dict[str, Any] = {}
    run(NO_AUTH.replace(PLACEHOLDER, "fulano"), names)
    assert type(names["auth_client"]) is NoAuthClient
    assert SQLClient(names["auth_client"]).send("SELECT 1 AS one")["rows"] == [{"one": 1}]


def test_api_key_requests_reach_carto_com(sql: SQLClient) -> None:
    rows = sql.send("SELECT current_database() AS database, current_user AS role")["rows"]
    assert rows[0]["database"] == f"{rows[0]['role']}_db"


def test_both_forms_of_base_url_open_the_account() -> None:
    names: dict[str, Any] = {"ORGANIZATION": "acme", "USERNAME": "fulano"}
    run(BASE_URLS, names)
    for url in (names["BASE_URL"], names["USR_BASE_URL"]):
        client = APIKeyAuthClient(api_key="myapikey", base_url=url)
        assert SQLClient(client).send("SELECT current_user <> 'publicuser' AS own")["rows"] == [{"own": True}]


def test_query(names: dict[str, Any], sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS mytable; CREATE TABLE mytable AS SELECT 'Ana' AS name, 30 AS age")
    assert run(QUERY, names) == "[{'name': 'Ana', 'age': 30}]\n"


def test_query_that_fails_prints_its_error(names: dict[str, Any], sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS mytable")
    names["data"] = {"rows": []}
    assert 'relation "mytable" does not exist' in run(QUERY, names)


def test_batch_job_is_created_read_updated_and_cancelled(names: dict[str, Any]) -> None:
    printed = run(BATCH_CREATE, names)
    names |= {"job_id": printed.strip(), "NEW_QUERY": "SELECT 42"}
    run(BATCH_REST, names)
    assert (names["readJob"]["job_id"], names["readJob"]["status"]) == (names["job_id"], "pending")
    assert (names["updateJob"]["job_id"], names["updateJob"]["query"]) == (names["job_id"], "SELECT 42")
    assert names["cancelJob"] in ("cancelled", "done")


def test_copy_from_a_file_and_to_a_file(names: dict[str, Any], sql: SQLClient) -> None:
    _prepare_copy(sql)
    run(COPY_FILES, names)
    assert names["result"]["total_rows"] == 2
    with open("export.csv", newline="", encoding="utf-8") as file:
        exported = list(csv.DictReader(file))
    assert [(row["name"], row["age"]) for row in exported] == [("Ana", "30"), ("Luis", "12")]
    assert {"cartodb_id", "the_geom", "the_geom_webmercator"} <= set(exported[0])


def test_copy_from_a_file_object_and_from_rows(names: dict[str, Any], sql: SQLClient) -> None:
    _prepare_copy(sql)
    run(COPY_FILES, names)
    run(COPY_FILE_OBJECT, names)
    run(COPY_ROWS, names)
    counts = sql.send(
        "SELECT name, count(*) AS n, max(ST_X(the_geom)) AS x FROM copy_example GROUP BY name ORDER BY name"
    )
    assert counts["rows"] == [
        {"name": "Ana", "n": 2, "x": 1},
        {"name": "Luis", "n": 2, "x": 3},
        {"name": "fulano", "n": 79, "x": 79},
    ]


@pytest.fixture
def stores(names: dict[str, Any]) -> Iterator[str]:
    """Give a file to import from the working directory, in an account without datasets: other tests leave some."""
    _delete_datasets(names)
    Path("stores.csv").write_text("name,longitude,latitude\nCafé,16.37,48.21\n", encoding="utf-8")
    yield "stores.csv"
    _delete_datasets(names)


def _delete_datasets(names: dict[str, Any]) -> None:
    for dataset in DatasetManager(names["auth_client"]).all():
        dataset.force_delete()


@pytest.fixture
def url(stores: str) -> Iterator[str]:
    with serving(Path.cwd()) as address:
        yield f"{address}/{stores}"


def _fill_in(code: str, name: str, value: str) -> str:
    """Write a value where the README asks its reader to."""
    placeholder = f'{name} = ""'
    assert code.count(placeholder) == 1
    return code.replace(placeholder, f"{name} = {value!r}")


@import_api
def test_import_of_a_local_file_and_of_a_url(names: dict[str, Any], stores: str, url: str) -> None:
    for archive, name in ((stores, "stores"), (url, "stores_1")):
        run(_fill_in(IMPORT, "LOCAL_FILE_OR_URL", archive), names)
        assert names["dataset"].name == name


@import_api
def test_import_of_a_sync_dataset(names: dict[str, Any], url: str) -> None:
    run(_fill_in(IMPORT_SYNC, "URL_TO_DATASET", url), names)
    assert (names["dataset"].name, names["dataset"].synchronization.interval) == ("stores", 900)


@import_api
def test_the_loop_of_a_sync_job(names: dict[str, Any], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 20))
    assert run(_fill_in(SYNC_JOB, "URL_TO_DATASET", url), names) == ""
    job = names["syncTable"]
    assert (job.get_id(), job.state, job.enqueued) == (names["sync_id"], "success", False)


@import_api
def test_the_loop_of_a_sync_job_that_fails_prints_why(names: dict[str, Any], url: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 20))
    loop = _fill_in(SYNC_JOB, "URL_TO_DATASET", f"{url}.missing")
    assert run(loop, names).startswith("The error code is: 1100\nThe error message is: ")


@import_api
def test_the_current_imports_are_listed(names: dict[str, Any], stores: str) -> None:
    Path(stores).write_text("name,n\n" + "x,1\n" * 20_000)
    job = DatasetManager(names["auth_client"]).create(stores, wait=False)
    run(LIST_IMPORTS, names)
    assert [each.get_id() for each in names["file_imports"]] == [job.get_id()]
    job.wait()


@import_api
def test_datasets_are_listed_read_changed_and_deleted(names: dict[str, Any], stores: str) -> None:
    made = DatasetManager(names["auth_client"]).create(stores)
    run(LIST, names)
    assert names["datasets"] == [made]
    run(_fill_in(GET, "DATASET_ID", made.id), names)
    assert names["dataset"].name == "stores"
    run(_fill_in(CHANGE, "DATASET_ID", made.id), names)
    assert names["dataset_manager"].get(made.id).privacy == "PUBLIC"
    run(_fill_in(DELETE, "DATASET_ID", "stores"), names)
    assert names["dataset_manager"].all() == []


@import_api
def test_a_map_is_exported(names: dict[str, Any], stores: str) -> None:
    dataset = DatasetManager(names["auth_client"]).create(stores)
    VisualizationManager(names["auth_client"]).create(name="my map", tables=[dataset.name])
    printed = run(_fill_in(EXPORT, "MAP_NAME", "my map"), names)
    assert re.fullmatch(r"https?://\S+\.carto\n", printed)


def _prepare_copy(sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS copy_example")
    Path("copy_from.csv").write_text("the_geom,name,age\nSRID=4326;POINT(1 2),Ana,30\nSRID=4326;POINT(3 4),Luis,12\n")
