"""The examples about maps and who may see what: what they print, and what their maps and datasets show afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, failure_of, printed_by, run_script, table_rows
from tests.pictures import colored, pixels
from tests.sandbox.rails_client import Json, RailsClient

FILES = EXAMPLES / "files"
ANONYMOUS, NAMED, VALUES = FILES / "anonymous_map.json", FILES / "named_map.json", FILES / "instantiate_map.json"
NAME, TOKEN = "example_cities", "example_token"
BLUE, RED = "#0f6fc6", "#d1495b"

#: Tiles of zoom 1: column and row. The maps' cities are all over the world, of the named one north of 30 degrees only.
NORTH, SOUTH = [(0, 0), (1, 0)], [(0, 1), (1, 1)]


@pytest.fixture(scope="module", autouse=True)
def cities(sandbox: Sandbox, account: RailsClient, clean_account: None) -> str:
    """Make the table that the shipped maps show."""
    (printed, *_) = table_rows(printed_by("import_standard_table.py", FILES / "populated_places.csv",
                                          environment=account_of(sandbox)))
    assert printed == {"property": "dataset", "value": "populated_places"}
    return "populated_places"


@pytest.fixture
def public(account: RailsClient, cities: str) -> Iterator[None]:
    account.change(account.dataset(cities), privacy="PUBLIC")
    yield
    account.change(account.dataset(cities), privacy="PRIVATE")


@pytest.fixture
def no_template(account: RailsClient) -> Iterator[None]:
    account.call("DELETE", f"v1/map/named/{NAME}")
    yield
    account.call("DELETE", f"v1/map/named/{NAME}")


@pytest.fixture
def template(account: RailsClient, no_template: None) -> Json:
    shipped: Json = json.loads(NAMED.read_bytes())
    account.json("POST", "v1/map/named", json=shipped)
    return shipped


def has_color(url: str, tile: tuple[int, int], color: str) -> bool:
    """Tell whether a tile of the printed address has the color; no key is sent for it."""
    answer = requests.get(url.format(z=1, x=tile[0], y=tile[1]), timeout=60)
    assert answer.status_code == 200, answer.text
    return bool(colored(pixels(answer.content), color).any())


def tiles(printed: str) -> str:
    (url,) = re.findall(r"^tiles: (.*)$", printed, re.MULTILINE)
    return str(url)


# ---- anonymous maps


def test_an_anonymous_map_of_a_public_table(sandbox: Sandbox, public: None) -> None:
    printed = printed_by("create_anonymous_map.py", ANONYMOUS, "--organization", "team",
                         environment=account_of(sandbox))
    assert [row["type"] for row in table_rows(printed)] == ["plain", "mapnik"]
    url = tiles(printed)
    assert sandbox.api_key not in printed
    assert [tile for tile in NORTH + SOUTH if not has_color(url, tile, BLUE)] == []


def test_an_anonymous_map_of_a_private_table(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "cities.png"
    printed = printed_by("create_anonymous_map.py", ANONYMOUS, "--picture", path, environment=account_of(sandbox))
    assert requests.get(tiles(printed).format(z=0, x=0, y=0), timeout=60).status_code == 403
    assert f"\npicture: {path}\n" in printed
    picture = pixels(path.read_bytes())
    assert picture.shape == (560, 1024, 3)
    drawn = colored(picture, BLUE)
    assert np.count_nonzero(drawn) > 3000
    assert np.ptp(np.nonzero(drawn)[0]) > 200
    assert np.ptp(np.nonzero(drawn)[1]) > 500


@pytest.mark.parametrize("script", ["create_anonymous_map.py", "create_named_map.py"])
def test_a_file_that_is_no_json(script: str, tmp_path: Path) -> None:
    """It is read before the account is asked for anything."""
    (tmp_path / "map.json").write_text('{"version": }', encoding="utf-8")
    nobody = {"CARTO_API_URL": "http://127.0.0.1:9/user/me/", "CARTO_API_KEY": "key"}
    failure = failure_of(script, "map.json", environment=nobody, cwd=tmp_path)
    assert failure == "map.json is not JSON: Expecting value: line 1 column 13 (char 12)"
    assert failure_of(script, "nowhere.json", environment=nobody) == \
        "[Errno 2] No such file or directory: 'nowhere.json'"


def test_a_map_that_the_server_refuses(sandbox: Sandbox, tmp_path: Path) -> None:
    config: Any = json.loads(ANONYMOUS.read_bytes())
    config["layers"][1]["options"]["sql"] = "SELECT * FROM nowhere"
    path, picture = tmp_path / "map.json", tmp_path / "kept.png"
    path.write_text(json.dumps(config), encoding="utf-8")
    picture.write_bytes(b"as before")
    failure = failure_of("create_anonymous_map.py", path, "--picture", picture, environment=account_of(sandbox))
    assert failure == 'relation "nowhere" does not exist'
    assert picture.read_bytes() == b"as before"


# ---- named maps


def test_a_named_map_is_stored_once(sandbox: Sandbox, account: RailsClient, no_template: None, tmp_path: Path) -> None:
    printed = printed_by("create_named_map.py", NAMED, environment=account_of(sandbox))
    assert {row["property"]: row["value"] for row in table_rows(printed)} == {
        "named map": NAME, "opens with": "a token", "placeholders": "color, north_of", "layers": "1"}
    shipped = json.loads(NAMED.read_bytes())
    assert account.json("GET", f"v1/map/named/{NAME}")["template"] == shipped

    again = failure_of("create_named_map.py", NAMED, environment=account_of(sandbox))
    assert again == f"Template '{NAME}' of user 'demo' already exists; --replace replaces it"
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(shipped | {"auth": {"method": "open"}}), encoding="utf-8")
    replaced = printed_by("create_named_map.py", changed, "--replace", environment=account_of(sandbox))
    assert {"property": "opens with", "value": "its name"} in table_rows(replaced)
    assert account.json("GET", f"v1/map/named/{NAME}")["template"]["auth"] == {"method": "open"}


def test_an_instance_of_a_named_map(sandbox: Sandbox, template: Json) -> None:
    """Whoever has the token needs no key of the account but the public one."""
    public_key = account_of(sandbox) | {"CARTO_API_KEY": "default_public"}
    printed = printed_by("instantiate_named_map.py", NAME, VALUES, TOKEN, environment=public_key)
    assert [row["type"] for row in table_rows(printed)] == ["mapnik"]
    url = tiles(printed)
    assert [tile for tile in NORTH + SOUTH if has_color(url, tile, RED)] == NORTH


def test_a_picture_of_a_named_map(sandbox: Sandbox, template: Json, tmp_path: Path) -> None:
    path = tmp_path / "cities.png"
    printed_by("instantiate_named_map.py", NAME, VALUES, TOKEN, "--picture", path, environment=account_of(sandbox))
    drawn = colored(pixels(path.read_bytes()), RED)
    assert np.count_nonzero(drawn) > 1000
    assert np.nonzero(drawn)[0].max() < drawn.shape[0] / 2  # the middle lies at 25 degrees


def test_an_instance_with_the_defaults_of_the_template(sandbox: Sandbox, account: RailsClient, template: Json) -> None:
    account.json("PUT", f"v1/map/named/{NAME}", json=template | {"auth": {"method": "open"}})
    url = tiles(printed_by("instantiate_named_map.py", NAME, environment=account_of(sandbox)))
    assert [tile for tile in NORTH + SOUTH if not has_color(url, tile, BLUE)] == []


def test_instances_that_fail(sandbox: Sandbox, template: Json) -> None:
    def failure(*arguments: str | Path) -> str:
        return failure_of("instantiate_named_map.py", *arguments, environment=account_of(sandbox))

    assert failure(NAME, VALUES) == f"the named map {NAME} does not open without a token"
    assert failure(NAME, VALUES, "guessed") == f"the named map {NAME} does not open with this token"
    assert failure("nowhere") == "Template 'nowhere' of user 'demo' not found"
    assert failure("no name!").startswith("'no name!' can't be the name of a named map")


# ---- maps of the account


def test_maps_are_listed_told_about_and_exported(sandbox: Sandbox, account: RailsClient, cities: str) -> None:
    none = printed_by("map_info.py", environment=account_of(sandbox))
    assert (none, account.names(type="derived")) == ("There are no maps in this account.\n", [])
    made = [account.new_map(cities, name=name, description=f"About {name}") for name in ("Towns", "a map")]

    listed = table_rows(printed_by("map_info.py", "--organization", "team", environment=account_of(sandbox)))
    assert {row["map"]: (row["privacy"], row["id"]) for row in listed} == {
        each["name"]: (each["privacy"], each["id"]) for each in made}

    printed = printed_by("map_info.py", "--map", "Towns", "--export", environment=account_of(sandbox))
    told = {row["property"]: row["value"] for row in table_rows(printed.replace("\nhttp", "\n\nhttp"))}
    assert {name: told[name] for name in ("map", "id", "description", "tables", "privacy", "URL")} == {
        "map": "Towns", "id": made[0]["id"], "description": "About Towns", "tables": cities,
        "privacy": made[0]["privacy"], "URL": made[0]["url"]}
    assert requests.get(printed.splitlines()[-1], timeout=60).content.startswith(b"PK")

    exported = printed_by("map_info.py", "--export", made[1]["id"], environment=account_of(sandbox))
    assert requests.get(exported.strip(), timeout=60).content.startswith(b"PK")


def test_a_map_that_is_not_there(sandbox: Sandbox) -> None:
    failure = failure_of("map_info.py", "--map", "No such map", environment=account_of(sandbox))
    assert failure == "there is no map 'No such map' in this account; map_info.py shows what it has"
    done = run_script("map_info.py", "--export")
    assert done.returncode == 2
    assert done.stderr.endswith("error: --export needs the name of a map, or --map\n")


# ---- who may see a dataset


def test_the_privacy_of_a_dataset(sandbox: Sandbox, account: RailsClient, cities: str) -> None:
    before = account.dataset(cities)["privacy"]
    for privacy in ("link", "PUBLIC", before):
        printed = printed_by("change_dataset_privacy.py", cities, privacy, environment=account_of(sandbox))
        dataset = account.dataset(cities)
        assert dataset["privacy"] == privacy.upper()
        assert printed == f"{cities} was {before} and is {dataset['privacy']}: {dataset['url']}\n"
        anybody = account.call("GET", "v2/sql", None, {"q": f"SELECT count(*) FROM {cities}"})
        assert (anybody.status_code == 200) is (privacy != "PRIVATE")
        before = dataset["privacy"]


def test_privacies_that_fail(sandbox: Sandbox, account: RailsClient, cities: str) -> None:
    environment = account_of(sandbox)
    before = account.dataset(cities)["privacy"]
    failure = failure_of("change_dataset_privacy.py", "nowhere", "LINK", environment=environment)
    assert failure == "there is no dataset 'nowhere' in this account; list_tables.py shows what it has"
    wrong = environment | {"CARTO_API_KEY": "guessed"}
    refused = failure_of("change_dataset_privacy.py", cities, "LINK", environment=wrong)
    assert refused == "Unauthorized (check the API key and what it may do)"
    assert run_script("change_dataset_privacy.py", cities, "secret", environment=environment).returncode == 2
    assert account.dataset(cities)["privacy"] == before
