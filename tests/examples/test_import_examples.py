"""The examples about imports and synchronizations: what they print and what is in the account afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, failure_of, printed_by, run_script, table_rows
from tests.file_server import serving
from tests.sandbox.rails_client import Json, RailsClient

FILES = EXAMPLES / "files"
CITIES = FILES / "populated_places.csv"
DAYS = [FILES / f"daylight_{number}.csv" for number in range(1, 8)]

pytestmark = pytest.mark.usefixtures("clean_account")


def properties(printed: str) -> dict[str, str]:
    return {row["property"]: row["value"] for row in table_rows(printed)}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables(account: RailsClient) -> set[str]:
    return set(account.names(type="table"))


# ---- a file, a URL


def test_a_file_becomes_a_dataset(sandbox: Sandbox, account: RailsClient) -> None:
    printed = properties(printed_by("import_standard_table.py", CITIES, environment=account_of(sandbox)))
    dataset = account.dataset(printed["dataset"])
    assert (printed["privacy"], printed["URL"]) == (dataset["privacy"], dataset["url"])
    assert printed["geometry"] == "ST_Point"
    cities = [row["name"] for row in account.sql(f"SELECT name FROM {dataset['name']}")]
    assert sorted(cities) == sorted(row["name"] for row in read(CITIES))
    assert int(printed["rows"]) == len(cities)


def test_a_url_becomes_a_dataset_of_a_member_of_an_organization(sandbox: Sandbox, account: RailsClient) -> None:
    with serving(FILES) as root:
        printed = properties(printed_by("import_standard_table.py", f"{root}/daylight_1.csv", "--organization", "team",
                                        environment=account_of(sandbox)))
    (counted,) = account.sql(f"SELECT count(*) AS rows FROM {printed['dataset']}")
    assert int(printed["rows"]) == counted["rows"] == len(read(DAYS[0]))


def test_imports_that_fail(sandbox: Sandbox, account: RailsClient, tmp_path: Path) -> None:
    environment = account_of(sandbox)
    before = tables(account)
    (tmp_path / "empty.csv").touch()
    assert "error 1005" in failure_of("import_standard_table.py", tmp_path / "empty.csv", environment=environment)
    missing = failure_of("import_standard_table.py", "nowhere.csv", environment=environment)
    assert missing == "[Errno 2] No such file or directory: 'nowhere.csv'"
    refused = failure_of("import_standard_table.py", CITIES, environment=environment | {"CARTO_API_KEY": "wrong"})
    assert "check the API key" in refused
    assert "wrong" not in refused
    assert tables(account) == before


# ---- several files


def test_seven_files_become_one_dataset(sandbox: Sandbox, account: RailsClient) -> None:
    before = tables(account)
    printed = printed_by("import_and_merge.py", str(FILES / "daylight_*.csv"), "--name", "daylight",
                         environment=account_of(sandbox))
    assert printed.endswith("\n7 files became one dataset.\n")
    assert tables(account) - before == {"daylight"}
    wanted = [row for path in DAYS for row in read(path)]
    assert int(properties(printed)["rows"]) == len(wanted)
    query = """SELECT city, hours, to_char(day, 'YYYY-MM-DD') AS day, ST_X(the_geom) AS x, ST_Y(the_geom) AS y,
                      ST_Equals(the_geom_webmercator, CDB_TransformToWebmercator(the_geom)) AS is_drawn
               FROM daylight ORDER BY cartodb_id"""
    merged = account.sql(query)
    assert all(row.pop("is_drawn") for row in merged)
    assert merged == [{"city": row["city"], "hours": float(row["hours"]), "day": row["day"],
                       "x": float(row["longitude"]), "y": float(row["latitude"])} for row in wanted]


def test_a_merge_that_fails_leaves_nothing(sandbox: Sandbox, account: RailsClient, tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text("city,hours\nOslo,18.4\n", encoding="utf-8")
    (tmp_path / "second.csv").write_text("city,minutes\nOslo,1104\n", encoding="utf-8")
    before = tables(account)
    failure = failure_of("import_and_merge.py", tmp_path, environment=account_of(sandbox))
    assert failure.startswith("the columns of second.csv are not those of first.csv: city string, minutes number")
    assert tables(account) == before


def test_a_merge_of_nothing(tmp_path: Path) -> None:
    failure = failure_of("import_and_merge.py", tmp_path / "*.csv")
    assert failure == f"no files: nothing matches {tmp_path / '*.csv'}"


def test_the_shipped_parts_are_what_their_program_makes(tmp_path: Path) -> None:
    assert printed_by("files/make_daylight.py", tmp_path, environment={}) == ""
    for path in DAYS:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    oslo, equator = (next(float(row["hours"]) for row in read(DAYS[-1]) if row["city"] == city)
                     for city in ("Oslo", "Quito"))
    assert oslo == pytest.approx(18.5, abs=0.4)  # what almanacs say, which count refraction and the sun's width
    assert equator == pytest.approx(12, abs=0.1)


# ---- a database


@pytest.fixture
def connection(account: RailsClient) -> Json:
    """Describe the sandbox's own PostgreSQL, which is a database like any other to a connector."""
    if not Path("/proc").exists():
        pytest.skip("finds the database by Linux's /proc")
    (here,) = account.sql("SELECT pg_backend_pid() AS pid, current_database()::text AS database,"
                          " current_user::text AS username")
    server = Path(f"/proc/{here.pop('pid')}/stat").read_text().rpartition(")")[2].split()[1]
    option = "--unix_socket_directories="
    command = Path(f"/proc/{server}/cmdline").read_text().split("\0")
    (directory,) = [word.removeprefix(option) for word in command if word.startswith(option)]
    return {"server": directory, **here}


@pytest.fixture
def remote(account: RailsClient) -> Iterator[str]:
    account.sql("CREATE TABLE orders_there (id int PRIMARY KEY, total numeric(8, 2));"
                "INSERT INTO orders_there VALUES (7, 1.5), (8, NULL)")
    yield "orders_there"
    account.sql("DROP TABLE orders_there")


def test_a_table_of_a_database_becomes_a_dataset(
    sandbox: Sandbox, account: RailsClient, connection: Json, remote: str, tmp_path: Path
) -> None:
    described = {"provider": "postgres", "connection": connection}
    argument = json.dumps({**described, "table": remote, "import_as": "orders"})
    printed = properties(printed_by("import_from_database.py", "--connection", argument,
                                    environment=account_of(sandbox)))
    assert (printed["dataset"], printed["rows"], printed["geometry"]) == ("orders", "2", "none")
    assert account.sql("SELECT id, total FROM orders ORDER BY id") == [{"id": 7, "total": 1.5},
                                                                       {"id": 8, "total": None}]
    file = tmp_path / "connection.json"
    file.write_text(json.dumps({**described, "sql_query": f"SELECT id FROM {remote} WHERE total IS NULL",
                                "import_as": "unpaid"}), encoding="utf-8")
    printed_by("import_from_database.py", "--connection", file, environment=account_of(sandbox))
    assert account.sql("SELECT id FROM unpaid") == [{"id": 8}]


def test_a_database_that_is_not_there(sandbox: Sandbox, connection: Json) -> None:
    argument = {"provider": "postgres", "table": "orders",
                "connection": {**connection, "database": "nowhere", "password": "secret-of-the-test"}}
    failure = failure_of("import_from_database.py", "--connection", json.dumps(argument),
                         environment=account_of(sandbox))
    assert "error 1500" in failure
    assert "secret-of-the-test" not in failure


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{provider}", " is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[1]", " has to hold a JSON object, not list"),
        ("", " is not JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_description_that_is_no_json(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "connection.json"
    file.write_text(content, encoding="utf-8")
    assert failure_of("import_from_database.py", "--connection", file) == f"{file}{reason}"


# ---- synchronizations


@pytest.fixture
def advance(account: RailsClient) -> Iterator[Callable[[float], None]]:
    """Give what moves the sandbox's clock."""
    clock = f"{account.base_url.partition('/user/')[0]}/sandbox/clock"

    def move(seconds: float) -> None:
        assert requests.post(clock, json={"advance": seconds}, timeout=30).status_code == 200

    yield move
    requests.delete(clock, timeout=30)


def test_a_synchronization_is_made_once_and_then_run(
    sandbox: Sandbox, account: RailsClient, advance: Callable[[float], None], tmp_path: Path
) -> None:
    source = tmp_path / "stations.csv"

    def run(interval: str) -> tuple[str, dict[str, str], list[str]]:
        printed = printed_by("import_sync_table.py", url, interval, environment=account_of(sandbox))
        names = [row["name"] for row in account.sql("SELECT name FROM stations ORDER BY name")]
        return printed.partition("+")[0], properties(printed), names

    with serving(tmp_path) as root:
        url = f"{root}/stations.csv"
        source.write_text("name\nfirst\n", encoding="utf-8")
        said, made, names = run("3600")
        assert (said, made["dataset"], made["state"], made["fetched every"]) == ("", "stations", "success", "3600 s")
        assert names == ["first"]

        source.write_text("name\nfirst\nsecond\n", encoding="utf-8")
        said, again, names = run("7200")
        assert said == "The server did not start it now: the last time is less than 15 minutes ago.\n"
        assert (again["synchronization"], again["fetched every"]) == (made["synchronization"], "7200 s")
        assert names == ["first"]

        advance(901)
        said, last, names = run("7200")
        assert (said, last["state"], last["synchronization"]) == ("", "success", made["synchronization"])
        assert last["last time at"] > made["last time at"]
        assert names == ["first", "second"]
    (found,) = account.json("GET", "v1/synchronizations")["synchronizations"]
    assert (found["id"], found["interval"], found["url"]) == (made["synchronization"], 7200, url)


def test_a_dataset_that_is_fetched_again(sandbox: Sandbox, account: RailsClient, tmp_path: Path) -> None:
    (tmp_path / "rivers.csv").write_text("name\nDanube\n", encoding="utf-8")
    with serving(tmp_path) as root:
        printed = properties(printed_by("import_sync_table_as_dataset.py", f"{root}/rivers.csv", "900",
                                        environment=account_of(sandbox)))
    assert (printed["dataset"], printed["rows"], printed["fetched every"]) == ("rivers", "1", "900 s")
    synchronization = account.dataset("rivers")["synchronization"]
    assert (synchronization["interval"], synchronization["url"]) == (900, f"{root}/rivers.csv")
    assert printed["next time at"]


@pytest.mark.parametrize("script", ["import_sync_table.py", "import_sync_table_as_dataset.py"])
def test_an_interval_that_is_too_short(sandbox: Sandbox, script: str) -> None:
    failure = failure_of(script, "http://127.0.0.1:9/x.csv", "60", environment=account_of(sandbox))
    assert failure == "interval is a number of seconds, 900 or more, not 60"


def test_a_url_that_has_no_data(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving(tmp_path) as root:
        failure = failure_of("import_sync_table_as_dataset.py", f"{root}/x.csv", "900",
                             environment=account_of(sandbox))
    assert "error 1100: Download file not found" in failure


def test_an_interval_that_is_no_number() -> None:
    done = run_script("import_sync_table.py", "http://127.0.0.1:9/x.csv", "daily")
    assert done.returncode == 2
    assert done.stderr.endswith("error: argument sync_time: invalid int value: 'daily'\n")
