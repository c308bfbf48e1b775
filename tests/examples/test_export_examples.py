"""The examples about exports: the files hold what is in the account, and are as before where an export fails."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import account_of, failure_of, printed_by, run_script, table_rows
from tests.sandbox.rails_client import RailsClient

pytestmark = pytest.mark.usefixtures("clean_account")

#: Names of maps that would be the same file, or none at all.
MAPS = ["My cities", "my/cities", "My_cities"]


@pytest.fixture(scope="module")
def stations(account: RailsClient, clean_account: None) -> str:
    """Make a table with what files have trouble with."""
    account.sql("""
        CREATE TABLE stations (the_geom geometry(Point, 4326), name text, "Since when" int);
        SELECT CDB_CartodbfyTable(current_schema, 'stations');
        INSERT INTO stations (the_geom, name, "Since when") VALUES
            (CDB_LatLng(48.2, 16.4), 'Wien, "Mitte"', 1838), (CDB_LatLng(40, -3), '', NULL), (NULL, NULL, 3)
    """)
    return "stations"


@pytest.fixture
def maps(account: RailsClient, stations: str) -> Iterator[list[str]]:
    made = [account.new_map(stations, name=name) for name in MAPS]
    yield MAPS
    for each in made:
        account.call("DELETE", f"v1/viz/{each['id']}")


def carto_tables(content: bytes) -> list[str]:
    """Tell which tables are in a .carto file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return [Path(name).stem for name in archive.namelist() if name.endswith(".gpkg")]


# ---- one dataset


def test_a_dataset_as_csv(sandbox: Sandbox, account: RailsClient, stations: str, tmp_path: Path) -> None:
    printed = printed_by("export_dataset.py", "--dataset", stations, environment=account_of(sandbox), cwd=tmp_path)
    path = tmp_path / "stations.csv"
    assert printed == f"stations is in {path} ({path.stat().st_size} bytes)\n"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = account.sql('SELECT cartodb_id::text, the_geom::text, name, "Since when"::text FROM stations ORDER BY 1')
    assert rows == [{name: value or "" for name, value in row.items()} for row in wanted]
    assert path.read_text(encoding="utf-8").splitlines()[-2].endswith(',"",')  # an empty name, and no year


def test_a_dataset_in_other_formats(sandbox: Sandbox, stations: str, tmp_path: Path) -> None:
    """The SQL API makes them; the name may have its schema, and the account may be an organization's."""
    geojson, shapefile = tmp_path / "a.json", tmp_path / "a.zip"
    options = ["--organization", "team", "--dataset", f"public.{stations}"]
    printed_by("export_dataset.py", *options, "--format", "geojson", "--output", geojson,
               environment=account_of(sandbox))
    features = json.loads(geojson.read_bytes())["features"]
    assert [each["properties"]["name"] for each in features] == ['Wien, "Mitte"', "", None]
    assert features[0]["geometry"]["coordinates"] == [16.4, 48.2]
    assert set(features[0]["properties"]) == {"cartodb_id", "name", "Since when"}
    printed_by("export_dataset.py", *options, "--format", "shp", "--output", shapefile, environment=account_of(sandbox))
    with zipfile.ZipFile(shapefile) as archive:
        assert {Path(name).suffix for name in archive.namelist()} >= {".shp", ".dbf", ".shx"}


@pytest.mark.parametrize("file_format", ["csv", "geojson"])
def test_a_dataset_that_is_not_there(sandbox: Sandbox, tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "kept"
    path.write_text("as before", encoding="utf-8")
    failure = failure_of("export_dataset.py", "--dataset", "nowhere", "--format", file_format, "--output", path,
                         environment=account_of(sandbox))
    assert failure == 'relation "nowhere" does not exist'
    assert path.read_text(encoding="utf-8") == "as before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["truncate", "error_tail"])
def test_a_download_that_breaks_off(sandbox: Sandbox, stations: str, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "kept.csv"
    path.write_text("as before", encoding="utf-8")
    fault = {"kind": kind, "bytes": 60, "account": "demo"}
    assert requests.post(f"{sandbox.admin_url}faults", json=fault, timeout=30).status_code == 201
    failure_of("export_dataset.py", "--dataset", stations, "--output", path, environment=account_of(sandbox))
    assert path.read_text(encoding="utf-8") == "as before"
    assert list(tmp_path.iterdir()) == [path]


# ---- all datasets


def test_all_datasets(sandbox: Sandbox, account: RailsClient, stations: str, tmp_path: Path) -> None:
    environment = {"CARTO_BASE_URL": sandbox.base_url, "CARTO_API_KEY": sandbox.api_key}
    account.new_table()
    printed = printed_by("export_all_datasets.py", "--format", "geojson", "--save_folder", tmp_path / "new" / "folder",
                         environment=environment)
    rows = table_rows(printed)
    assert [row["name"] for row in rows] == sorted(account.names(type="table"))
    assert {Path(row["file"]) for row in rows} == set((tmp_path / "new" / "folder").iterdir())
    for row in rows:
        features = json.loads(Path(row["file"]).read_bytes())["features"]
        assert [{"n": len(features)}] == account.sql(f'SELECT count(*) AS n FROM "{row["name"]}"')


@pytest.fixture
def locked(sandbox: Sandbox) -> Iterator[None]:
    """Have the server refuse one request for a file, which is that of the first dataset."""
    fault = {"kind": "html", "status": 500, "path": "/sql/copyto", "account": "demo"}
    assert requests.post(f"{sandbox.admin_url}faults", json=fault, timeout=30).status_code == 201
    yield
    assert requests.get(f"{sandbox.admin_url}faults", timeout=30).json()["faults"] == []


def test_one_dataset_of_all_fails(
    sandbox: Sandbox, account: RailsClient, stations: str, locked: None, tmp_path: Path
) -> None:
    account.new_table()
    done = run_script("export_all_datasets.py", environment=account_of(sandbox), cwd=tmp_path)
    first, *others = sorted(account.names(type="table"))
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"export_all_datasets.py: error: 1 of {len(others) + 1} datasets could not be exported: {first} (")
    assert done.stderr.count("\n") == 1
    assert [row["name"] for row in table_rows(done.stdout)] == others
    assert {path.name for path in (tmp_path / "files").iterdir()} == {f"{name}.csv" for name in others}


@pytest.mark.parametrize("script", ["export_all_datasets.py", "export_all_maps.py"])
def test_a_wrong_key_is_no_empty_account(sandbox: Sandbox, stations: str, script: str, tmp_path: Path) -> None:
    wrong = account_of(sandbox) | {"CARTO_API_KEY": "wrong"}
    assert failure_of(script, environment=wrong, cwd=tmp_path) == "Unauthorized (check the API key and what it may do)"
    assert list(tmp_path.iterdir()) == []


# ---- maps


def test_the_address_of_a_map(sandbox: Sandbox, stations: str, maps: list[str]) -> None:
    url = printed_by("export_map.py", maps[1], environment=account_of(sandbox)).strip()
    assert sandbox.api_key not in url
    assert carto_tables(requests.get(url, timeout=30).content) == [stations]


def test_the_file_of_a_map(sandbox: Sandbox, stations: str, maps: list[str], tmp_path: Path) -> None:
    path = tmp_path / "map.carto"
    printed = printed_by("export_map.py", maps[0], "--output", path, environment=account_of(sandbox))
    assert printed.startswith(f"{maps[0]} is in {path} (")
    assert carto_tables(path.read_bytes()) == [stations]


def test_a_map_that_is_not_there(sandbox: Sandbox, tmp_path: Path) -> None:
    failure = failure_of("export_map.py", "No such map", "--output", "x.carto", environment=account_of(sandbox),
                         cwd=tmp_path)
    assert failure == "there is no map 'No such map' in this account; map_info.py shows what it has"
    assert list(tmp_path.iterdir()) == []


def test_all_maps(sandbox: Sandbox, account: RailsClient, stations: str, maps: list[str], tmp_path: Path) -> None:
    environment = {"CARTO_BASE_URL": sandbox.base_url, "CARTO_API_KEY": sandbox.api_key}
    rows = table_rows(printed_by("export_all_maps.py", environment=environment, cwd=tmp_path))
    names = {row["name"]: row["file"] for row in rows}
    assert sorted(names) == sorted(account.names(type="derived")) == sorted(maps)
    assert len({file.casefold() for file in names.values()}) == len(maps)
    assert set(names.values()) == {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        assert carto_tables(path.read_bytes()) == [stations]


def test_an_account_without_maps(sandbox: Sandbox, account: RailsClient, tmp_path: Path) -> None:
    assert account.names(type="derived") == []
    printed = printed_by("export_all_maps.py", environment=account_of(sandbox), cwd=tmp_path)
    assert printed == "There are no maps in this account.\n"
