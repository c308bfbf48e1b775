"""The Import API over a real socket: sources, parameters, answers, slots, and what survives the end of the server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from carto.sandbox import Sandbox
from carto.sandbox.accounts import account_from_dict
from tests.sandbox.file_server import FileServer, file_server
from tests.sandbox.import_client import DATA, ImportClient
from tests.sandbox.processes import children, peak_of_servers, reads_proc, servers, wait_until
from tests.sandbox.rails_client import Json, words

MASTER = {"type": "master", "token": "master"}
REGULAR = {"type": "regular", "name": "r", "token": "regular"}
OTHER: Json = {"name": "other", "keys": [MASTER]}
ACCOUNTS: list[Json] = [
    {"name": "demo", "keys": [MASTER, REGULAR], "import_limits": {"concurrent": 5}},
    {"name": "narrow", "keys": [MASTER]},
    OTHER,
    {"name": "small", "keys": [MASTER], "import_limits": {"file_bytes": 1_000_000}},
]
KEYS = words(
    "id user_id table_id data_type table_name state error_code queue_id tables_created_count synchronization_id"
    " type_guessing quoted_fields_guessing content_guessing create_visualization visualization_id user_defined_limits"
    " get_error_text display_name success original_url warnings is_raster"
)
CSV = b"name,lat,lon\na,40,-3\nb,41,2\n"
NOBODY = str(uuid.UUID(int=1))


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="carto-imports-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def carto(directory: Path) -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS, data_dir=directory / "data") as running:
        yield running


@pytest.fixture
def client_of(carto: Sandbox) -> Callable[[str], ImportClient]:
    return lambda name: ImportClient(carto.account(name).base_url, "master")


@pytest.fixture
def account(client_of: Callable[[str], ImportClient]) -> ImportClient:
    client = client_of("demo")
    client.drop_tables()
    return client


@pytest.fixture
def files() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays_in_the_directory(carto: Sandbox, directory: Path) -> Iterator[None]:
    yield
    kept = directory / "data" / "imports"
    wait_until(lambda: not list(kept.iterdir()))


def test_a_complete_import(account: ImportClient) -> None:
    import_id = account.start(CSV, "My stores.csv", privacy="Link", create_vis="true")
    job = account.complete(import_id)
    assert list(job) == [*KEYS, "any_table_raster", "derived_visualization_id"]
    dataset = account.dataset("my_stores")
    made = account.dataset(job["derived_visualization_id"])
    assert job == {
        "id": import_id, "user_id": job["user_id"], "table_id": dataset["table"]["id"], "data_type": "file",
        "table_name": "my_stores", "state": "complete", "error_code": None, "queue_id": import_id,
        "tables_created_count": 1, "synchronization_id": None, "type_guessing": True,
        "quoted_fields_guessing": True, "content_guessing": False, "create_visualization": True,
        "visualization_id": dataset["id"], "user_defined_limits": '{"twitter_credits_limit":0}',
        "get_error_text": None, "display_name": "My_stores.csv", "success": True, "original_url": "My_stores.csv",
        "warnings": None, "is_raster": False, "any_table_raster": False, "derived_visualization_id": made["id"],
    }  # fmt: skip
    assert (dataset["privacy"], made["privacy"], made["type"]) == ("LINK", "LINK", "derived")
    assert account.sql("SELECT name FROM my_stores", key=None) == [{"name": "a"}, {"name": "b"}]


def test_a_failed_import(account: ImportClient) -> None:
    job = account.failure(b"", "nothing.csv", table_name="wanted")
    assert list(job) == KEYS
    assert (job["table_id"], job["table_name"], job["tables_created_count"]) == (None, None, None)
    assert (job["error_code"], job["get_error_text"]["title"]) == (1005, "Empty file")
    assert sorted(job["get_error_text"]) == ["source", "title", "what_about"]
    assert account.tables() == []


def test_an_import_is_private_unless_told_otherwise(account: ImportClient) -> None:
    assert account.dataset(account.table_of(CSV, "stores.csv"))["privacy"] == "PRIVATE"
    assert "permission denied" in account.call("GET", "v2/sql", None, {"q": "SELECT * FROM stores"}).text


def test_a_file_in_the_part_filename(account: ImportClient) -> None:
    response = account.call("POST", "v1/imports", files={"filename": ("part.csv", CSV)})
    assert account.complete(response.json()["item_queue_id"])["table_name"] == "part"


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/x-www-form-urlencoded", None])
def test_a_file_as_the_whole_body(account: ImportClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = account.call("POST", "v1/imports", params={"filename": "raw.csv"}, data=CSV, headers=headers)
    assert account.complete(response.json()["item_queue_id"])["table_name"] == "raw"


def test_parameters_in_a_form(account: ImportClient, files: FileServer) -> None:
    url = files.serve("/form.csv", CSV)
    response = account.call("POST", "v1/imports/", data={"url": url, "privacy": "public", "type_guessing": "false"})
    job = account.complete(response.json()["item_queue_id"])
    assert (job["data_type"], job["original_url"], job["type_guessing"]) == ("url", url, False)
    assert account.dataset("form")["privacy"] == "PUBLIC"
    assert account.columns("form") == {"name": "text", "lat": "text", "lon": "text"}


def test_parameters_beside_a_file(account: ImportClient) -> None:
    response = account.call(
        "POST", "v1/imports", data={"table_name": "Wanted Name", "privacy": "public"}, files={"file": ("a.csv", CSV)}
    )
    import_id = response.json()["item_queue_id"]
    job = account.complete(import_id)
    assert (job["table_name"], account.dataset("wanted_name")["privacy"]) == ("wanted_name", "PUBLIC")


def test_only_true_and_false_are_switches(account: ImportClient) -> None:
    def switches(**params: str) -> list[bool]:
        job = account.complete(account.start(CSV, "a.csv", **params))
        names = words("type_guessing quoted_fields_guessing content_guessing create_visualization")
        return [job[name] for name in names]

    odd = {"type_guessing": "0", "quoted_fields_guessing": "no", "content_guessing": "1", "create_vis": "yes"}
    assert switches(**odd) == [True, True, False, False]
    clear = {"type_guessing": "false", "quoted_fields_guessing": "false", "content_guessing": "true",
             "create_vis": "true"}  # fmt: skip
    assert switches(**clear) == [False, False, True, True]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (
            {"privacy": "password"},
            "Unknown value 'password' for 'privacy'. Allowed values are: private, public and link",
        ),
        (
            {"collision_strategy": "merge"},
            "Unknown value 'merge' for 'collision_strategy'. Allowed values are: skip and overwrite",
        ),
        ({"url": "file:///etc/passwd"}, "Invalid URL, cannot connect dataset: file:///etc/passwd"),
        ({"service_item_id": 5}, "service_item_id field should be empty or a string"),
        ({"connector": "none"}, "The connector has to be an object with a provider"),
    ],
)
def test_what_makes_no_sense_is_not_taken(account: ImportClient, params: Json, text: str) -> None:
    for _ in range(6):  # more often than there are slots
        response = account.call("POST", "v1/imports", json=params)
        assert (response.status_code, response.json()) == (400, {"errors": {"imports": text}})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"not a form"),
        ("application/json", b"{"),
    ],
)
def test_a_body_that_is_not_what_it_says(account: ImportClient, content_type: str, body: bytes) -> None:
    response = account.call("POST", "v1/imports", data=body, headers={"Content-Type": content_type})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["imports"]


def test_the_key_may_be_anywhere(account: ImportClient) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(b"demo:master").decode()}
    part = {"file": ("a.csv", CSV)}
    accepted: list[Json] = [
        {"headers": basic, "files": part},
        {"data": {"api_key": "master"}, "files": part},
        {"json": {"api_key": "master", "sql": "SELECT 1 AS a"}},
        {"data": {"api_key": "master", "sql": "SELECT 1 AS a"}},
    ]
    for arguments in accepted:
        response = account.call("POST", "v1/imports", None, **arguments)
        assert response.status_code == 200, arguments
        account.complete(response.json()["item_queue_id"])


@pytest.mark.parametrize("key", [None, "regular", "default_public", "wrong"])
def test_only_the_master_key_may_import(account: ImportClient, key: str | None) -> None:
    for method, path in (("POST", "v1/imports"), ("GET", "v1/imports"), ("GET", f"v1/imports/{NOBODY}")):
        arguments: Json = {"files": {"file": ("a.csv", CSV)}} if method == "POST" else {}
        response = account.call(method, path, key, **arguments)
        assert (response.status_code, response.content) == (401, b""), (method, path)
    assert account.tables() == []


def test_paths(account: ImportClient) -> None:
    import_id = account.start(CSV, "a.csv")
    job = account.complete(import_id)
    root = account.base_url.partition("/user/")[0]
    for path in (f"/user/demo/api/v1/imports/{import_id}", f"/u/demo/api/v1/imports/{import_id}/",
                 f"/user/demo/api/v1/imports/{import_id}.json"):  # fmt: skip
        assert requests.get(root + path, params={"api_key": "master"}, timeout=30).json() == job
    for unknown in (NOBODY, "name"):
        response = account.call("GET", f"v1/imports/{unknown}")
        assert (response.status_code, response.content) == (404, b"")


def test_nothing_to_import(account: ImportClient) -> None:
    job = account.wait(account.start_json(privacy="private"))
    assert (job["state"], job["error_code"], job["get_error_text"]) == ("failure", 1010, None)
    assert account.wait(account.start_json(service_name="dropbox"))["error_code"] == 1011
    assert account.wait(account.start_json(remote_visualization_id=NOBODY))["error_code"] == 1011


def test_running_imports_are_listed_and_their_number_is_limited(
    client_of: Callable[[str], ImportClient], files: FileServer
) -> None:
    account = client_of("narrow")
    url = files.hold("/slow.csv", CSV)
    running = [account.start_json(url=url) for _ in range(3)]
    assert account.json("GET", "v1/imports") == {"imports": running[::-1], "success": True}
    for _ in range(2):
        response = account.call("POST", "v1/imports", json={"url": url})
        text = "We're sorry but you're already using your allowed 3 import slots"
        assert (response.status_code, response.json()) == (429, {"errors": {"imports": text}})
        assert "Retry-After" not in response.headers
    assert client_of("other").json("GET", "v1/imports") == {"imports": [], "success": True}
    files.released.set()
    names = [account.complete(each)["table_name"] for each in running]
    assert sorted(names) == ["slow", "slow_1", "slow_2"]
    assert account.json("GET", "v1/imports") == {"imports": [], "success": True}
    account.complete(account.start(CSV, "afterwards.csv"))


def test_states_come_in_order(account: ImportClient, files: FileServer) -> None:
    import_id = account.start_json(url=files.hold("/slow.csv", b"a\n" + b"1\n" * 100_000))
    seen = {account.read(import_id)["state"]}
    waiting = threading.Timer(0.3, files.released.set)
    waiting.start()
    order: list[str] = []
    while not seen & {"complete", "failure"}:
        state = account.read(import_id)["state"]
        if state not in order:
            order.append(state)
        seen.add(state)
    assert order == [each for each in words("pending uploading unpacking importing complete") if each in order]
    assert {"uploading", "importing", "complete"} <= seen


def test_names_and_types_of_urls(account: ImportClient, files: FileServer) -> None:
    named = {"Content_Disposition": 'attachment; filename="Named by header.csv"'}
    cases = {
        files.serve("/plain.csv", CSV): "plain",
        files.serve("/escaped%20name.csv", CSV): "escaped_name",
        files.serve("/query.csv?api_key=1", CSV): "query",
        files.serve("/header", CSV, **named): "named_by_header",
        files.serve("/typed", CSV, Content_Type="text/csv; charset=utf-8"): "typed",
        files.serve("/moved", b"", 302, Location="/plain.csv"): "plain_1",
    }
    for url, table in cases.items():
        assert account.complete(account.start_json(url=url))["table_name"] == table, url


def test_sql_and_table_copy(account: ImportClient) -> None:
    account.table_of(CSV, "stores.csv")
    job = account.complete(account.start_json(sql="SELECT *, 'x' AS extra FROM stores;", table_name="Query result"))
    assert (job["table_name"], job["data_type"]) == ("query_result", "query")
    assert list(account.columns("query_result")) == ["name", "lat", "lon", "extra"]
    assert account.complete(account.start_json(table_copy="stores"))["table_name"] == "stores_copy"
    assert account.complete(account.start_json(sql="SELECT 1 AS one"))["table_name"] == "untitled_table"
    compared = "SELECT * FROM stores EXCEPT SELECT * FROM stores_copy"
    assert account.sql(compared) == []
    assert account.dataset("stores_copy")["table"]["geometry_types"] == ["ST_Point"]


def test_a_name_that_is_taken(account: ImportClient) -> None:
    account.sql("CREATE VIEW stores AS SELECT 1 AS a")
    assert [account.table_of(CSV, "stores.csv") for _ in range(2)] == ["stores_1", "stores_2"]
    account.sql("DROP VIEW stores")


def test_skip(account: ImportClient) -> None:
    account.table_of(CSV, "stores.csv")
    job = account.complete(account.start(b"a\n1\n", "Stores.csv", collision_strategy="skip"))
    assert (job["error_code"], job["success"], job["table_name"], job["table_id"]) == (1022, True, None, None)
    assert (job["tables_created_count"], job["get_error_text"]["title"]) == (0, "All tables were skipped")
    assert account.tables() == ["stores"]
    assert account.table_of(CSV, "others.csv", collision_strategy="skip") == "others"


def test_overwrite_keeps_what_belongs_to_the_table(account: ImportClient) -> None:
    account.table_of(CSV, "stores.csv", privacy="public")
    before = account.dataset("stores")
    account.sql("GRANT UPDATE ON stores TO publicuser; CREATE VIEW names AS SELECT name FROM stores")
    new = b"name,lat,lon,opened\nc,50,4,2020-01-02\n"
    job = account.complete(account.start(new, "stores.csv", collision_strategy="overwrite", privacy="private"))
    after = account.dataset("stores")
    assert (job["table_id"], job["visualization_id"]) == (before["table"]["id"], before["id"])
    assert (after["id"], after["privacy"]) == (before["id"], "PUBLIC")
    assert account.columns("stores")["opened"] == "timestamp with time zone"
    assert account.sql("SELECT name FROM names") == [{"name": "c"}]
    account.sql("UPDATE stores SET name = 'd'", None)
    account.sql("INSERT INTO stores (name) VALUES ('e')")
    assert account.sql("SELECT cartodb_id FROM stores ORDER BY 1") == [{"cartodb_id": 1}, {"cartodb_id": 2}]
    assert account.sql("SELECT ST_AsText(the_geom_webmercator, 0) AS g FROM stores WHERE cartodb_id = 1") == [
        {"g": "POINT(445278 6446276)"}
    ]
    account.sql("DROP VIEW names")


def test_overwrite_makes_a_table_that_is_not_there(account: ImportClient) -> None:
    assert account.table_of(CSV, "new.csv", collision_strategy="overwrite") == "new"


@pytest.mark.parametrize("new", [b"name,lat\nc,50\n", b"name,lat,lon\n1,50,4\n"], ids=["missing", "other type"])
def test_overwrite_with_other_columns_is_refused(account: ImportClient, new: bytes) -> None:
    account.table_of(CSV, "stores.csv")
    job = account.failure(new, "stores.csv", collision_strategy="overwrite")
    assert job["error_code"] == 2012
    assert account.sql("SELECT count(*) AS n FROM stores") == [{"n": 2}]
    assert account.tables() == ["stores"]


def test_what_others_depend_on_is_not_overwritten(account: ImportClient) -> None:
    account.table_of(CSV, "stores.csv")
    account.sql("CREATE TABLE orders (store int REFERENCES stores)")
    assert account.failure(CSV, "stores.csv", collision_strategy="overwrite")["error_code"] == 2013
    account.sql("CREATE VIEW seen AS SELECT 1 AS a")
    assert account.failure(CSV, "seen.csv", collision_strategy="overwrite")["error_code"] == 2013
    account.sql("DROP VIEW seen")


@pytest.fixture
def connector(carto: Sandbox, directory: Path) -> Json:
    """Describe the database of the account ``other``, in the same cluster, which is reached by a Unix socket."""
    commands = [path.read_bytes().split(b"\0") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    (plan,) = [json.loads(words[-2]) for words in commands
               if b"keeper.py" in b" ".join(words) and str(directory / "data").encode() in words[-2]]  # fmt: skip
    other = account_from_dict(OTHER)
    connection = {"server": plan["directory"], "database": other.database, "username": other.master_key.role,
                  "password": other.master_key.password}  # fmt: skip
    return {"provider": "postgres", "connection": connection}


@reads_proc
def test_a_table_of_another_database(
    account: ImportClient, client_of: Callable[[str], ImportClient], connector: Json
) -> None:
    other = client_of("other")
    other.drop_tables()
    other.sql(
        "CREATE TYPE mood AS ENUM ('good');"
        "CREATE TABLE \"Orders\" (id int PRIMARY KEY, total numeric(8, 2), mood mood,"
        " note text, at timestamptz, geom geometry(Point, 3857));"
        "INSERT INTO \"Orders\" VALUES (7, 1.50, 'good', E'tab\\tnew\\nline', '2020-01-02T03:04:05Z',"
        " ST_Transform(CDB_LatLng(40, -3), 3857)), (8, NULL, NULL, NULL, NULL, NULL)"
    )
    job = account.complete(account.start_json(connector={**connector, "table": "Orders"}))
    assert (job["table_name"], job["data_type"]) == ("orders", "datasource")
    types = {"id": "integer", "total": "numeric", "mood": "text", "note": "text", "at": "timestamp with time zone"}
    assert account.columns("orders") == types
    rows = account.sql("SELECT id, total, mood, note, at, ST_AsText(the_geom, 5) AS g FROM orders ORDER BY id")
    assert rows == [
        {"id": 7, "total": 1.5, "mood": "good", "note": "tab\tnew\nline", "at": "2020-01-02T03:04:05Z",
         "g": "POINT(-3 40)"},
        {"id": 8, "total": None, "mood": None, "note": None, "at": None, "g": None},
    ]  # fmt: skip
    query = "SELECT id FROM \"Orders\" WHERE note LIKE '%tab%';"
    asked = {**connector, "sql_query": query, "import_as": "tabs"}
    assert account.complete(account.start_json(connector=asked))["table_name"] == "tabs"
    assert account.sql("SELECT id FROM tabs") == [{"id": 7}]
    other.sql('DROP TABLE "Orders"; DROP TYPE mood')


@reads_proc
def test_connectors_that_fail(account: ImportClient, connector: Json) -> None:
    def code(described: Json) -> int:
        job = account.wait(account.start_json(connector=described))
        assert job["state"] == "failure"
        return int(job["error_code"])

    good = {**connector, "table": "orders"}
    assert code({**good, "provider": "mysql"}) == 1501
    assert code({**good, "connection": {"server": "x"}}) == 1502
    assert code({**good, "table": ""}) == 1502
    assert code({**good, "connection": {**good["connection"], "sslmode": "perhaps"}}) == 1502
    assert code({**good, "table": "nowhere"}) == 1500
    assert code({**good, "connection": {**good["connection"], "database": "nowhere"}}) == 1500
    assert code({**good, "connection": {**good["connection"], "server": "192.0.2.1"}}) == 1102
    writes = {**good, "sql_query": "WITH x AS (DELETE FROM spatial_ref_sys RETURNING 1) SELECT * FROM x"}
    assert code({**writes, "import_as": "x"}) == 1500


@reads_proc
def test_an_upload_goes_to_disk(client_of: Callable[[str], ImportClient], carto: Sandbox, directory: Path) -> None:
    account = client_of("small")
    before = peak_of_servers()
    size = 100 << 20

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'
        for _ in range(size >> 20):
            yield b"1\n" * (1 << 19)
            assert sum(path.stat().st_size for path in (directory / "data/imports").rglob("upload")) <= 1_000_001
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = account.call("POST", "v1/imports", data=body(), headers=headers)
    job = account.wait(response.json()["item_queue_id"])
    assert (job["state"], job["error_code"]) == ("failure", 6666)
    assert peak_of_servers() - before < 20 << 20


def workers() -> set[int]:
    """Find the processes of imports that those servers started."""
    return children(servers(), b"carto.sandbox.importing.worker")


def test_an_upload_that_breaks_off_leaves_nothing(account: ImportClient) -> None:
    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'
        yield b"1\n" * 100_000
        raise KeyboardInterrupt

    for _ in range(6):  # more often than there are slots
        with pytest.raises(KeyboardInterrupt):
            account.call("POST", "v1/imports", data=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    started: list[str] = []

    def is_accepted() -> bool:
        """Tell whether the server has noticed that a slot is free again."""
        response = account.call("POST", "v1/imports/", files={"file": ("afterwards.csv", CSV)})
        assert response.status_code in (200, 429), response.text
        started.extend(filter(None, [response.json().get("item_queue_id")]))
        return bool(started)

    wait_until(is_accepted)
    account.complete(started[0])


@pytest.fixture
def kept(directory: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(accounts=ACCOUNTS, data_dir=directory / "kept")
    try:
        yield sandbox
    finally:
        sandbox.stop()
        shutil.rmtree(directory / "kept", ignore_errors=True)


def test_imports_survive_a_restart(kept: Sandbox, files: FileServer, directory: Path) -> None:
    account = ImportClient(kept.start().base_url, "master")
    finished = account.complete(account.start(CSV, "before.csv"))
    downloading = account.start_json(url=files.hold("/slow.csv", CSV), privacy="public")
    rows = b"".join(b"%d,text\n" % number for number in range(150_000))
    loading = account.start(b"a,b\n" + rows, "loading.csv")
    wait_until(lambda: account.read(loading)["state"] == "importing")
    kept.stop()
    assert {path.name for path in (directory / "kept" / "imports").iterdir()} == {downloading, loading}
    files.released.set()
    account = ImportClient(kept.start().base_url, "master")
    assert account.read(finished["id"]) == finished
    assert account.complete(downloading)["table_name"] == "slow"
    assert account.dataset("slow")["privacy"] == "PUBLIC"
    assert account.complete(loading)["table_name"] == "loading"
    assert account.sql("SELECT count(*) AS n FROM loading") == [{"n": 150_000}]
    assert account.tables() == ["before", "loading", "slow"]


@reads_proc
def test_an_import_that_ran_when_the_server_died_is_stuck(kept: Sandbox, files: FileServer, directory: Path) -> None:
    others = servers()
    account = ImportClient(kept.start().base_url, "master")
    (server,) = servers() - others
    running = account.start_json(url=files.hold("/slow.csv", CSV))
    wait_until(lambda: account.read(running)["state"] != "pending")
    wait_until(lambda: bool(workers()))
    importing = workers()
    os.kill(server, signal.SIGKILL)
    kept.stop()
    wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in importing))
    account = ImportClient(kept.start().base_url, "master")
    job = account.read(running)
    assert (job["state"], job["error_code"], job["success"]) == ("failure", 6671, False)
    assert job["get_error_text"]["title"] == "Stuck import job"
    assert account.json("GET", "v1/imports")["imports"] == []
    assert list((directory / "kept" / "imports").iterdir()) == []
    assert account.table_of(CSV, "afterwards.csv") == "afterwards"


@reads_proc
def test_an_import_whose_process_dies_has_failed(account: ImportClient, files: FileServer) -> None:
    import_id = account.start_json(url=files.hold("/slow.csv", CSV))
    wait_until(lambda: bool(workers()))
    for process in workers():
        os.kill(process, signal.SIGKILL)
    job = account.wait(import_id)
    assert (job["state"], job["error_code"], job["get_error_text"]["title"]) == ("failure", 99999, "Unknown")


@reads_proc
def test_the_process_of_an_import_ends_with_it(account: ImportClient) -> None:
    account.complete(account.start(DATA / "comma.csv"))
    assert workers() == set()
