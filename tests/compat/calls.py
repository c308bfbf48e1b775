"""Every public call of carto-python, written as its users write it: what the recorder runs with either version.

A call's name begins with the class and method that it is about; what follows the colon tells it from its like. The
sections are those of carto-python's documentation.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import requests
from fake_server import (
    BATCH_JOB,
    DATASET,
    DATASET_ID,
    EXPORT,
    IMPORT,
    JOB_ID,
    MAP_ID,
    OTHER_MAP_ID,
    RATE_LIMITED,
    SYNC,
    SYNC_ID,
    TABLE_ID,
    TEMPLATE,
)
from pyrestcli import auth as pyrestcli_auth
from pyrestcli import fields as pyrestcli_fields

from carto import (
    api_keys,
    auth,
    datasets,
    do_dataset,
    do_subscription_info,
    do_subscriptions,
    do_token,
    exceptions,
    export,
    fields,
    file_import,
    kuvizs,
    maps,
    paginators,
    permissions,
    resources,
    sql,
    sync_tables,
    synchronizations,
    tables,
    users,
    utils,
    visualizations,
)

BASE_URL = "https://me.carto.com/"
URL = "https://example.com/stores.csv"
CONNECTION = {"connector": {"provider": "postgres", "connection": {"server": "db.example.com"}, "table": "stores"}}
QUERY = "SELECT 1 AS one"
LONG_QUERY = f"SELECT '{'x' * 1200}' AS text"
COPY_FROM = "COPY stores (name, age) FROM STDIN WITH (FORMAT csv)"
COPY_TO = "COPY stores TO STDOUT WITH (FORMAT csv)"
LONG_COPY_TO = f"COPY (SELECT '{'x' * 1200}' AS text) TO STDOUT"
CSV = b"Ana,30\nLuis,12\n"
MAP_CONFIG = {"version": "1.7.0", "layers": [{"type": "cartodb", "options": {"sql": "SELECT * FROM stores"}}]}


class Call(NamedTuple):
    """A call: what it does with a session, and answers of the server that are its own (see `FakeServer`).

    Some are run in a process of their own, since they change it.
    """

    run: Callable[[requests.Session], Any]
    answers: dict[str, list[Any]]
    alone: bool = False


CALLS: dict[str, Call] = {}


def key_client(session: requests.Session) -> Any:
    """Make the client that most calls use."""
    return auth.APIKeyAuthClient(BASE_URL, "KEY", session=session)


def organization_client(session: requests.Session) -> Any:
    return auth.APIKeyAuthClient("https://acme.carto.com/user/me/", "KEY", organization="acme", session=session)


def server_client(session: requests.Session) -> Any:
    """Make a client of a server that is not CARTO's own, whose address tells no user for certain."""
    return auth.APIKeyAuthClient("https://me.example.com", "KEY", session=session)


def unverified_client(session: requests.Session) -> Any:
    return auth.NonVerifiedAPIKeyAuthClient(BASE_URL, "KEY", session=session)


def auth_api_client(session: requests.Session) -> Any:
    return auth.AuthAPIClient(BASE_URL, "KEY", session=session)


def no_auth_client(session: requests.Session) -> Any:
    return pyrestcli_auth.NoAuthClient(BASE_URL, session=session)


def add(name: str, run: Callable[[Any], Any], client: Callable[[requests.Session], Any] = key_client,
        answers: dict[str, list[Any]] | None = None, alone: bool = False) -> None:
    """Add a call, which is given a client."""
    assert name not in CALLS, name
    CALLS[name] = Call(lambda session: run(client(session)), answers or {}, alone)


def add_plain(name: str, run: Callable[[], Any]) -> None:
    """Add a call that needs no client."""
    CALLS[name] = Call(lambda session: run(), {})


def attributes(instance: Any, names: str) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in names.split()}


def filled(resource: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(resource, name, value)
    return resource


@contextlib.contextmanager
def csv_file(name: str = "stores.csv") -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(CSV)
        yield str(path)


def with_file(run: Callable[[str], Any], name: str = "stores.csv") -> Any:
    with csv_file(name) as path:
        return run(path)


def with_open_file(run: Callable[[Any], Any]) -> Any:
    with csv_file() as path, open(path, "rb") as file:
        return run(file)


class DataFrame:
    """What `DODataset` asks of a data frame of pandas, whose import takes longer than all calls together."""

    def __init__(self, rows: Sequence[str]) -> None:
        self._rows = rows

    columns = ("id", "geom")

    @property
    def iloc(self) -> DataFrame:
        return self

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> DataFrame:
        return DataFrame(self._rows[part])

    def to_csv(self, path_or_buf: Any = None, header: bool = True, index: bool = False) -> str | None:
        text = "".join(f"{row}\n" for row in ["id,geom"] * header + [*self._rows])
        if path_or_buf is None:
            return text
        Path(path_or_buf).write_text(text)
        return None


def data_frame() -> DataFrame:
    return DataFrame(["1,POINT(1 2)"])


# Authentication

CLIENT_ATTRIBUTES = "organization api_key base_url username user_agent client_id"
add("APIKeyAuthClient.__init__", lambda client: attributes(client, CLIENT_ATTRIBUTES))
add("APIKeyAuthClient.__init__: an organization", lambda client: attributes(client, CLIENT_ATTRIBUTES),
    organization_client)
add("APIKeyAuthClient.__init__: identifiers of one's own", lambda client: attributes(client, CLIENT_ATTRIBUTES),
    lambda session: auth.APIKeyAuthClient(BASE_URL, "KEY", None, session, "my client", "my agent"))
add("NonVerifiedAPIKeyAuthClient.__init__", lambda client: attributes(client, CLIENT_ATTRIBUTES), unverified_client)
add("AuthAPIClient.__init__", lambda client: attributes(client, "organization api_key base_url username"),
    auth_api_client)
for base_url in ("https://user1.carto.com/a/b/c", "https://www.user2.carto.com", "https://carto.com/user/user1/a/b/c",
                 "https://www.carto.com/user/user2", "https://wrongurl", "http://me.carto.com",
                 "https://me.carto.com", "https://server.example.com/user/me", "http://localhost/user/me/",
                 "https://127.0.0.1/", "https://acme.carto.com/u/me"):
    add(f"_UsernameGetter.get_user_name: {base_url}", lambda client: attributes(client, "base_url username"),
        lambda session, base_url=base_url: auth.APIKeyAuthClient(base_url, "KEY", session=session))
add_plain("_BaseUrlChecker.check_base_url", lambda: auth._BaseUrlChecker().check_base_url("https://me.carto.com"))
add_plain("_BaseUrlChecker.check_base_url: not encrypted",
          lambda: auth._BaseUrlChecker().check_base_url("http://me.carto.com/"))
add_plain("_ClientIdentifier.get_user_agent", lambda: auth._ClientIdentifier().get_user_agent("my-agent"))
add_plain("_ClientIdentifier.get_client_identifier", lambda: auth._ClientIdentifier().get_client_identifier())
for method in ("get", "POST", "put", "delete", "PATCH"):
    add(f"APIKeyAuthClient.send: {method}", lambda client, method=method: client.send("api/v2/sql", method))
add("APIKeyAuthClient.send: parameters", lambda client: client.send("api/v2/sql", "get", params={"q": QUERY}))
add("APIKeyAuthClient.send: JSON by POST", lambda client: client.send("api/v2/sql", "post", json={"q": QUERY}))
add("APIKeyAuthClient.send: JSON by PUT", lambda client: client.send("api/v2/sql", "put", json={"q": QUERY}))
add("APIKeyAuthClient.send: no JSON", lambda client: client.send("api/v2/sql", "post", json=None))
add("APIKeyAuthClient.send: a form", lambda client: client.send("api/v2/sql", "post", data={"q": QUERY}))
add("APIKeyAuthClient.send: headers",
    lambda client: client.send("api/v2/sql", "get", headers={"Content-Type": "text/plain"}))
add("APIKeyAuthClient.send: an error", lambda client: client.send("api/v2/sql", "get"),
    answers={"GET": [(404, {"errors": ["no"]})]})
add("APIKeyAuthClient.send: too many calls", lambda client: client.send("api/v2/sql", "get"),
    answers={"GET": [RATE_LIMITED]})
add("APIKeyAuthClient.send: no connection", lambda client: client.send("api/v2/sql", "get"),
    answers={"GET": [requests.exceptions.ConnectionError("refused")]})
add("APIKeyAuthClient.send: an organization", lambda client: client.send("api/v2/sql", "get"), organization_client)
add("APIKeyAuthClient.send: a server of one's own", lambda client: client.send("api/v2/sql", "get"), server_client)
add("APIKeyAuthClient.prepare_send", lambda client: client.prepare_send("GET")[0])
add("NonVerifiedAPIKeyAuthClient.send", lambda client: client.send("api/v2/sql", "get"), unverified_client)
add("AuthAPIClient.send", lambda client: client.send("api/v3/api_keys", "get"), auth_api_client)
add("AuthAPIClient.is_valid_api_key", lambda client: client.is_valid_api_key(), auth_api_client,
    {"GET": [{"result": [{"token": "KEY"}]}]})
add("AuthAPIClient.is_valid_api_key: another key", lambda client: client.is_valid_api_key(), auth_api_client)
add("AuthAPIClient.is_valid_api_key: refused", lambda client: client.is_valid_api_key(), auth_api_client,
    {"GET": [(401, {"errors": ["no"]})]})
add("AuthAPIClient.is_valid_api_key: no connection", lambda client: client.is_valid_api_key(), auth_api_client,
    {"GET": [requests.exceptions.ConnectionError("refused")]})
add("AuthAPIClient.send: too many calls", lambda client: client.send("api/v3/api_keys", "get"), auth_api_client,
    {"GET": [RATE_LIMITED]})

# SQL API

HTML = (502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})

SQL_CLIENT_ATTRIBUTES = "api_url api_key username base_url"
add("SQLClient.__init__", lambda client: attributes(sql.SQLClient(client), SQL_CLIENT_ATTRIBUTES))
add("SQLClient.__init__: a version", lambda client: attributes(sql.SQLClient(client, "v1"), SQL_CLIENT_ATTRIBUTES))
add("SQLClient.send", lambda client: sql.SQLClient(client).send(QUERY))
add("SQLClient.send: by GET", lambda client: sql.SQLClient(client).send(QUERY, do_post=False))
add("SQLClient.send: a long query by GET", lambda client: sql.SQLClient(client).send(LONG_QUERY, do_post=False))
add("SQLClient.send: a format", lambda client: sql.SQLClient(client).send(QUERY, format="csv"),
    answers={"POST": [b"one\n1\n"]})
add("SQLClient.send: GeoJSON", lambda client: sql.SQLClient(client).send(QUERY, format="geojson"))
add("SQLClient.send: not parsed", lambda client: sql.SQLClient(client).send(QUERY, parse_json=False))
add("SQLClient.send: parameters of the API",
    lambda client: sql.SQLClient(client).send(QUERY, skipfields="a,b", dp=3, rows_per_page=10, page=2))
add("SQLClient.send: an organization", lambda client: sql.SQLClient(client).send(QUERY), organization_client)
add("SQLClient.send: a server of one's own", lambda client: sql.SQLClient(client).send(QUERY), server_client)
add("SQLClient.send: pyrestcli's client without a key", lambda client: sql.SQLClient(client).send(QUERY, do_post=False),
    no_auth_client)
for status in (400, 401, 403, 404, 422, 429, 500, 503):
    add(f"SQLClient.send: status {status}", lambda client: sql.SQLClient(client).send(QUERY),
        answers={"POST": [(status, {"error": ["syntax error"]})]})
add("SQLClient.send: too many calls", lambda client: sql.SQLClient(client).send(QUERY),
    answers={"POST": [RATE_LIMITED]})
add("SQLClient.send: no connection", lambda client: sql.SQLClient(client).send(QUERY),
    answers={"POST": [requests.exceptions.ConnectionError("refused")]})

add("SQLClient.send: a timeout", lambda client: sql.SQLClient(client).send(QUERY, timeout=5))
add("SQLClient.send: another q", lambda client: sql.SQLClient(client).send(QUERY, q="SELECT 2"))
add("SQLClient.send: an empty answer", lambda client: sql.SQLClient(client).send(QUERY), answers={"POST": [b""]})
add("SQLClient.send: HTML", lambda client: sql.SQLClient(client).send(QUERY), answers={"POST": [HTML]})

add("BatchSQLClient.__init__", lambda client: attributes(sql.BatchSQLClient(client), "api_url api_key"))
add("BatchSQLClient.send", lambda client: sql.BatchSQLClient(client).send(f"api/v2/sql/job/{JOB_ID}", "get"))
add("BatchSQLClient.create", lambda client: sql.BatchSQLClient(client).create(QUERY))
add("BatchSQLClient.create: several queries", lambda client: sql.BatchSQLClient(client).create([QUERY, QUERY]))
add("BatchSQLClient.create_and_wait_for_completion",
    lambda client: sql.BatchSQLClient(client).create_and_wait_for_completion(QUERY),
    answers={"POST": [{**BATCH_JOB, "status": "pending"}],
             "GET": [{**BATCH_JOB, "status": "running"}, BATCH_JOB]})
add("BatchSQLClient.create_and_wait_for_completion: it fails",
    lambda client: sql.BatchSQLClient(client).create_and_wait_for_completion(QUERY),
    answers={"POST": [{**BATCH_JOB, "status": "pending"}], "GET": [{**BATCH_JOB, "status": "failed"}]})
add("BatchSQLClient.create_and_wait_for_completion: it is cancelled",
    lambda client: sql.BatchSQLClient(client).create_and_wait_for_completion(QUERY),
    answers={"POST": [{**BATCH_JOB, "status": "pending"}], "GET": [{**BATCH_JOB, "status": "cancelled"}]})
add("BatchSQLClient.read", lambda client: sql.BatchSQLClient(client).read(JOB_ID))
add("BatchSQLClient.update", lambda client: sql.BatchSQLClient(client).update(JOB_ID, QUERY))
add("BatchSQLClient.cancel", lambda client: sql.BatchSQLClient(client).cancel(JOB_ID))
add("BatchSQLClient.cancel: it is done", lambda client: sql.BatchSQLClient(client).cancel(JOB_ID),
    answers={"DELETE": [(400, {"error": ["Cannot set status from done to cancelled"]})]})
add("BatchSQLClient.cancel: no connection", lambda client: sql.BatchSQLClient(client).cancel(JOB_ID),
    answers={"DELETE": [requests.exceptions.ConnectionError("refused")]})
add("BatchSQLClient.read: an error", lambda client: sql.BatchSQLClient(client).read(JOB_ID),
    answers={"GET": [(400, {"error": ["no such job"]})]})
add("BatchSQLClient.read: too many calls", lambda client: sql.BatchSQLClient(client).read(JOB_ID),
    answers={"GET": [RATE_LIMITED]})


def _updated_batch_client(client: Any) -> dict[str, Any]:
    batch = sql.BatchSQLClient(client)
    batch.update_from_dict({"item_queue_id": JOB_ID, "state": "done"})
    return attributes(batch, "id state")


add("BatchSQLClient.update_from_dict", _updated_batch_client)

add("CopySQLClient.__init__", lambda client: attributes(sql.CopySQLClient(client), "api_url api_key"))
add("CopySQLClient.copyfrom", lambda client: sql.CopySQLClient(client).copyfrom(COPY_FROM, iter([CSV[:7], CSV[7:]])))
add("CopySQLClient.copyfrom: not compressed",
    lambda client: sql.CopySQLClient(client).copyfrom(COPY_FROM, iter([CSV]), compress=False))
add("CopySQLClient.copyfrom_file_object",
    lambda client: sql.CopySQLClient(client).copyfrom_file_object(COPY_FROM, io.BytesIO(CSV)))
add("CopySQLClient.copyfrom_file_path",
    lambda client: with_file(lambda path: sql.CopySQLClient(client).copyfrom_file_path(COPY_FROM, path)))
add("CopySQLClient.copyfrom_file_path: not compressed", lambda client: with_file(
    lambda path: sql.CopySQLClient(client).copyfrom_file_path(COPY_FROM, path, compress=False)))
add("CopySQLClient.copyfrom: a list",
    lambda client: sql.CopySQLClient(client).copyfrom(COPY_FROM, [CSV], compress=False))
add("CopySQLClient.copyfrom: an open file, not compressed", lambda client: with_open_file(
    lambda file: sql.CopySQLClient(client).copyfrom(COPY_FROM, file, compress=False)))
add("CopySQLClient.copyfrom: blanks before the query",
    lambda client: sql.CopySQLClient(client).copyfrom(f"\n {COPY_FROM}", iter([CSV])))
add("CopySQLClient.copyfrom: an error", lambda client: sql.CopySQLClient(client).copyfrom(COPY_FROM, iter([CSV])),
    answers={"POST": [(400, {"error": ["no such table"]})]})
add("CopySQLClient.copyfrom: too many calls",
    lambda client: sql.CopySQLClient(client).copyfrom(COPY_FROM, iter([CSV])), answers={"POST": [RATE_LIMITED]})
add("CopySQLClient.copyfrom_file_path: too many calls", lambda client: with_file(
    lambda path: sql.CopySQLClient(client).copyfrom_file_path(COPY_FROM, path)), answers={"POST": [RATE_LIMITED]})
add("CopySQLClient.copyto", lambda client: sql.CopySQLClient(client).copyto(COPY_TO))
add("CopySQLClient.copyto: a long query", lambda client: sql.CopySQLClient(client).copyto(LONG_COPY_TO))
for status in (400, 503):
    add(f"CopySQLClient.copyto: status {status}", lambda client: sql.CopySQLClient(client).copyto(COPY_TO),
        answers={"GET": [(status, {"error": ["no such table"]})]})
add("CopySQLClient.copyto: HTML", lambda client: sql.CopySQLClient(client).copyto(COPY_TO),
    answers={"GET": [(403, b"<html>Forbidden</html>", {"Content-Type": "text/html"})]})
add("CopySQLClient.copyto: too many calls", lambda client: sql.CopySQLClient(client).copyto(COPY_TO),
    answers={"GET": [RATE_LIMITED]})


def _copied_to_file_object(client: Any) -> bytes:
    target = io.BytesIO()
    sql.CopySQLClient(client).copyto_file_object(COPY_TO, target)
    return target.getvalue()


def _copied_to_path(client: Any, append: bool) -> bytes:
    with csv_file() as path:
        sql.CopySQLClient(client).copyto_file_path(COPY_TO, path, append)
        return Path(path).read_bytes()


def _kept_when_refused(client: Any) -> bytes:
    with csv_file() as path:
        with contextlib.suppress(exceptions.CartoException):
            sql.CopySQLClient(client).copyto_file_path(COPY_TO, path)
        return Path(path).read_bytes()


add("CopySQLClient.copyto_file_path: refused, and what is in the file then", _kept_when_refused,
    answers={"GET": [(400, {"error": ["no such table"]})]})
add("CopySQLClient.copyto_file_object", _copied_to_file_object)
add("CopySQLClient.copyto_file_path", lambda client: _copied_to_path(client, append=False))
add("CopySQLClient.copyto_file_path: appended", lambda client: _copied_to_path(client, append=True))
add("CopySQLClient.copyto_stream", lambda client: sql.CopySQLClient(client).copyto_stream(COPY_TO))


def _stream(client: Any) -> Any:
    return utils.ResponseStream(client.send("api/v2/sql/copyto", "get", stream=True))


add("ResponseStream.__init__", _stream)
add("ResponseStream.readable", lambda client: _stream(client).readable())
add("ResponseStream.readinto", lambda client: _stream(client).readinto(bytearray(4)))

# Import API

def _run_twice(job: Any) -> None:
    job.run()
    job.run()


ENDED_BADLY = {**IMPORT, "state": "failure", "success": False, "error_code": 1002}
add("FileImportJob.__init__", lambda client: file_import.FileImportJob(URL, client))
add("FileImportJob.__init__: an open file", lambda client: attributes(
    file_import.FileImportJob(io.BytesIO(CSV), client), "get_error_text warnings"))
add("FileImportJob.run: a URL", lambda client: file_import.FileImportJob(URL, client).run())
add("FileImportJob.run: a file",
    lambda client: with_file(lambda path: file_import.FileImportJob(path, client).run()))
add("FileImportJob.run: an open file",
    lambda client: with_open_file(lambda file: file_import.FileImportJob(file, client).run()))
add("FileImportJob.run: a file without a name", lambda client: file_import.FileImportJob(io.BytesIO(CSV), client).run())
add("FileImportJob.run: a file, twice", lambda client: with_open_file(
    lambda file: _run_twice(file_import.FileImportJob(file, client))))
add("FileImportJob.run: options",
    lambda client: file_import.FileImportJob(URL, client).run(privacy="private", type_guessing=False, create_vis=True))
add("FileImportJob.run: a file with options", lambda client: with_file(
    lambda path: file_import.FileImportJob(path, client).run(privacy="private", type_guessing=False)))
add("FileImportJob.run: a connector", lambda client: file_import.FileImportJob(None, client).run(connection=CONNECTION),
    alone=True)
add("FileImportJob.run: an error", lambda client: file_import.FileImportJob(URL, client).run(),
    answers={"POST": [(422, {"errors": ["no"]})]})
add("FileImportJob.run: too many calls", lambda client: file_import.FileImportJob(URL, client).run(),
    answers={"POST": [RATE_LIMITED]})


def _refreshed(job: Any) -> Any:
    job.run()
    job.refresh()
    return job


add("FileImportJob.refresh", lambda client: _refreshed(file_import.FileImportJob(URL, client)))
add("FileImportJob.refresh: not started", lambda client: file_import.FileImportJob(URL, client).refresh())
add("FileImportJobManager.create: a URL", lambda client: file_import.FileImportJobManager(client).create(URL))
add("FileImportJobManager.create: a file, and run again", lambda client: with_file(
    lambda path: file_import.FileImportJobManager(client).create(path).run()))
add("FileImportJobManager.filter", lambda client: file_import.FileImportJobManager(client).filter())
add("FileImportJobManager.all", lambda client: file_import.FileImportJobManager(client).all())
add("FileImportJobManager.get", lambda client: file_import.FileImportJobManager(client).get(JOB_ID))

add("SyncTableJob.__init__", lambda client: sync_tables.SyncTableJob(URL, 900, client))
add("SyncTableJob.run", lambda client: sync_tables.SyncTableJob(URL, 900, client).run())
add("SyncTableJob.refresh", lambda client: _refreshed(sync_tables.SyncTableJob(URL, 900, client)))


def _sync_job(client: Any) -> Any:
    return filled(sync_tables.SyncTableJob(URL, 900, client), id=SYNC_ID)


def _forced(job: Any) -> Any:
    job.force_sync()
    return job


add("SyncTableJob.force_sync", lambda client: _forced(_sync_job(client)))
add("SyncTableJob.get_force_sync_endpoint", lambda client: _sync_job(client).get_force_sync_endpoint())
add("SyncTableJob.delete", lambda client: _sync_job(client).delete())
add("SyncTableJob.get_id", lambda client: _sync_job(client).get_id())
add("SyncTableJobManager.create", lambda client: sync_tables.SyncTableJobManager(client).create(URL, 900))
add("SyncTableJobManager.create: options",
    lambda client: sync_tables.SyncTableJobManager(client).create(URL, 900, type_guessing=False))
add("SyncTableJobManager.create, then run", lambda client: sync_tables.SyncTableJobManager(client).create(
    URL, 900).run())
add("SyncTableJobManager.all", lambda client: sync_tables.SyncTableJobManager(client).all())
add("SyncTableJobManager.get", lambda client: sync_tables.SyncTableJobManager(client).get(SYNC_ID))

PENDING = [{**IMPORT, "state": state} for state in
           ("enqueued", "queued", "pending", "uploading", "unpacking", "importing", "guessing")]
add("DatasetManager.is_sync_table", lambda client: [
    datasets.DatasetManager(client).is_sync_table(*arguments, **options) for arguments, options in
    [((URL, 900), {}), ((URL, None), {}), (("stores.csv", 900), {}), ((None, 900), {"connection": CONNECTION})]])
add("DatasetManager.create: a URL", lambda client: datasets.DatasetManager(client).create(URL))
add("DatasetManager.create: a file", lambda client: with_file(
    lambda path: datasets.DatasetManager(client).create(path)))
add("DatasetManager.create: a file whose name has capitals", lambda client: with_file(
    lambda path: datasets.DatasetManager(client).create(path), "Stores.csv"))
add("DatasetManager.create: a URL with capitals",
    lambda client: datasets.DatasetManager(client).create("https://example.com/Stores.csv?Token=A"))
add("DatasetManager.create: an open file", lambda client: with_open_file(
    lambda file: datasets.DatasetManager(client).create(file)))
add("DatasetManager.create: options",
    lambda client: datasets.DatasetManager(client).create(URL, privacy="link", create_vis=True, type_guessing=False))
add("DatasetManager.create: a connector",
    lambda client: datasets.DatasetManager(client).create(None, connection=CONNECTION), alone=True)


def _twice_with_a_connector(client: Any) -> None:
    datasets.DatasetManager(client).create(None, connection=CONNECTION)
    file_import.FileImportJobManager(client).create(URL)


add("FileImportJobManager.create: a URL, after a connector", _twice_with_a_connector, alone=True)
add("DatasetManager.create: it takes a while", lambda client: datasets.DatasetManager(client).create(URL),
    answers={"GET .*/imports/": [*PENDING, IMPORT]})
add("DatasetManager.create: it fails", lambda client: datasets.DatasetManager(client).create(URL),
    answers={"GET .*/imports/": [ENDED_BADLY]})
add("DatasetManager.create: a state of its own", lambda client: datasets.DatasetManager(client).create(URL),
    answers={"GET .*/imports/": [{**IMPORT, "state": "geocoding"}, IMPORT]})
add("DatasetManager.create: refused", lambda client: datasets.DatasetManager(client).create(URL),
    answers={"POST": [(422, {"errors": ["no"]})]})
add("DatasetManager.create: an interval", lambda client: datasets.DatasetManager(client).create(URL, 900))
add("DatasetManager.create: an interval, and it takes a while",
    lambda client: datasets.DatasetManager(client).create(URL, 900),
    answers={"GET .*/synchronizations/": [{**SYNC, "state": "created"}, {**SYNC, "state": "queued"}, SYNC]})
add("DatasetManager.create: an interval with options",
    lambda client: datasets.DatasetManager(client).create(URL, 900, type_guessing=False))
add("DatasetManager.create: a connector with an interval",
    lambda client: datasets.DatasetManager(client).create(None, 900, connection=CONNECTION))
add("DatasetManager.create: a file with an interval", lambda client: with_file(
    lambda path: datasets.DatasetManager(client).create(path, 900)))
add("DatasetManager.send", lambda client: datasets.DatasetManager(client).send("api/v1/viz/", "get"))
add("DatasetManager.get", lambda client: datasets.DatasetManager(client).get(DATASET_ID))
add("DatasetManager.get: by name", lambda client: datasets.DatasetManager(client).get("stores"))
add("DatasetManager.get: there is none", lambda client: datasets.DatasetManager(client).get("stores"),
    answers={"GET": [(404, {"errors": ["no"]})]})
add("DatasetManager.get: special characters", lambda client: datasets.DatasetManager(client).get("50% a?b#c").name)
add("DatasetManager.all: HTML", lambda client: datasets.DatasetManager(client).all(), answers={"GET": [HTML]})
add("DatasetManager.all: an empty page before the end", lambda client: len(datasets.DatasetManager(client).all()),
    answers={"GET": [{"visualizations": [DATASET], "total_entries": 3}, {"visualizations": [], "total_entries": 3},
                     requests.exceptions.ConnectionError("asked for a third page")]})
add("DatasetManager.get: too many calls", lambda client: datasets.DatasetManager(client).get("stores"),
    answers={"GET": [RATE_LIMITED]})
add("DatasetManager.get: its views per day", lambda client: datasets.DatasetManager(client).get("stores").stats,
    answers={"GET": [{"id": DATASET_ID, "type": "table", "stats": {"2021-08-12": 3}}]})
add("DatasetManager.all", lambda client: datasets.DatasetManager(client).all())
add("DatasetManager.all: two pages", lambda client: [each.id for each in datasets.DatasetManager(client).all()],
    answers={r"GET .*page=1\b": [{"visualizations": [DATASET, {"id": OTHER_MAP_ID}], "total_entries": 3}],
             r"GET .*page=2\b": [{"visualizations": [{"id": TABLE_ID}], "total_entries": 3}]})
add("DatasetManager.filter", lambda client: datasets.DatasetManager(client).filter(q="shops", order="updated_at"))
add("Dataset.delete", lambda client: filled(datasets.Dataset(client), id=DATASET_ID,
                                            dependent_visualizations_count=0).delete())
add("Dataset.delete: maps depend on it", lambda client: filled(
    datasets.Dataset(client), id=DATASET_ID, dependent_visualizations_count=1).delete(),
    answers={"GET": [{**DATASET, "dependent_visualizations_count": 1, "dependent_visualizations": [{"id": MAP_ID}]}]})
add("Dataset.delete: not known whether maps depend on it",
    lambda client: filled(datasets.Dataset(client), id=DATASET_ID).delete())
add("Dataset.force_delete", lambda client: filled(datasets.Dataset(client), id=DATASET_ID,
                                                  dependent_visualizations_count=1).force_delete())


def _changed_dataset(client: Any) -> Any:
    dataset = datasets.DatasetManager(client).get(DATASET_ID)
    dataset.privacy = permissions.LINK
    return dataset.save()


add("Dataset.save: a dataset that was read", _changed_dataset)



def _without_description(client: Any) -> Any:
    dataset = filled(datasets.Dataset(client), id=DATASET_ID, description="text")
    dataset.description = None
    return dataset.save()


class OwnDataset(datasets.Dataset):
    """A dataset as users derive them."""


add("Dataset.save: a field is cleared", _without_description)
add("Dataset.__str__: without a name", lambda client: str(datasets.Dataset(client)))
add("Dataset.__init__: with a table", lambda client: datasets.Dataset(client, table={"name": "stores"}).table.name)
add("Dataset.update_from_dict: nothing in place of lists and objects", lambda client: attributes(
    _updated(datasets.Dataset(client), permission=None, dependent_visualizations=None),
    "permission dependent_visualizations"))
add("Dataset: a class derived from it", lambda client: _updated(OwnDataset(client), name="stores").name)

add("TableManager.get", lambda client: tables.TableManager(client).get(TABLE_ID))
add("TableManager.all", lambda client: tables.TableManager(client).all())
add("Table.save: a table that was read", lambda client: tables.TableManager(client).get(TABLE_ID).save())

EXPORTING = [{**EXPORT, "state": state, "url": None} for state in ("exporting", "enqueued", "pending")]


def _map(client: Any) -> Any:
    return filled(visualizations.Visualization(client), id=MAP_ID)


add("Visualization.export", lambda client: _map(client).export())
add("Visualization.export: it takes a while", lambda client: _map(client).export(), answers={
    "GET": [*EXPORTING, EXPORT]})
add("Visualization.export: it fails", lambda client: _map(client).export(), answers={
    "GET": [{**EXPORT, "state": "failure"}]})
add("VisualizationManager.send", lambda client: visualizations.VisualizationManager(client).send("api/v1/viz/", "get"))
add("VisualizationManager.get", lambda client: visualizations.VisualizationManager(client).get(MAP_ID))
add("VisualizationManager.get: by name", lambda client: visualizations.VisualizationManager(client).get("my map"))
add("VisualizationManager.all", lambda client: visualizations.VisualizationManager(client).all())
add("VisualizationManager.filter", lambda client: visualizations.VisualizationManager(client).filter(q="map"))
add("VisualizationManager.create", lambda client: visualizations.VisualizationManager(client).create(name="my map"))


def _changed_map(client: Any) -> Any:
    shown = visualizations.VisualizationManager(client).get(MAP_ID)
    shown.name = "other"
    return shown.save()


add("Visualization.save: a map that was read", _changed_map)
add("ExportJob.__init__", lambda client: export.ExportJob(client, MAP_ID))
add("ExportJob.run", lambda client: export.ExportJob(client, MAP_ID).run())
add("ExportJob.refresh", lambda client: _refreshed(export.ExportJob(client, MAP_ID)))

# Maps API


def _template(client: Any) -> Any:
    named_map = maps.NamedMap(client)
    named_map.update_from_dict({"template": TEMPLATE})
    return named_map


add("NamedMapManager.create", lambda client: maps.NamedMapManager(client).create(template=TEMPLATE))
add("NamedMapManager.get", lambda client: maps.NamedMapManager(client).get("shops"))
add("NamedMapManager.all", lambda client: maps.NamedMapManager(client).all())
add("NamedMapManager.all: a name with the word template",
    lambda client: [each.template_id for each in maps.NamedMapManager(client).all()],
    answers={"GET": [{"template_ids": ["my_template"]}]})
add("NamedMapManager.get: there is none", lambda client: maps.NamedMapManager(client).get("shops"),
    answers={"GET": [(404, {"errors": ["no"]})]})
add("NamedMap.__init__", lambda client: maps.NamedMap(client))
add("NamedMap.update_from_dict: a template", _template)
add("NamedMap.__str__", lambda client: str(_template(client)))
add("NamedMap.save", lambda client: _template(client).save())
add("NamedMap.save: one from the list", lambda client: maps.NamedMapManager(client).all()[0].save())
add("NamedMap.save: without view and placeholders", lambda client: maps.NamedMapManager(client).get("shops").save(),
    answers={"GET": [{"template": {name: TEMPLATE[name] for name in ("version", "name", "auth", "layergroup")}}]})
add("NamedMap.delete", lambda client: _template(client).delete())
add("NamedMap.refresh", lambda client: _template(client).refresh())


def _instantiated(shown: Any, *arguments: Any) -> Any:
    shown.instantiate(*arguments)
    return shown


def _unchanged(shown: Any, params: dict[str, Any]) -> dict[str, Any]:
    shown.instantiate(params)
    return params


add("NamedMap.instantiate", lambda client: _instantiated(_template(client), {"color": "blue"}))
add("NamedMap.instantiate: with a token", lambda client: _instantiated(_template(client), {}, "token1"))
add("NamedMap.instantiate: the dictionary that was given",
    lambda client: _unchanged(_template(client), {"color": "blue"}))
add("NamedMap.instantiate: refused", lambda client: _instantiated(_template(client), {}),
    answers={"POST": [(403, {"errors": ["Unauthorized template instantiation"]})]})
add("NamedMap.instantiate: too many calls", lambda client: _instantiated(_template(client), {}),
    answers={"POST": [RATE_LIMITED]})
add("AnonymousMap.__init__", lambda client: maps.AnonymousMap(client))
add("AnonymousMap.instantiate", lambda client: _instantiated(maps.AnonymousMap(client), MAP_CONFIG))
add("AnonymousMap.update_from_dict", lambda client: _updated(maps.AnonymousMap(client), layergroupid="abc:123"))
add("BaseMap.get_tile_url: a map without an instance", lambda client: maps.AnonymousMap(client).get_tile_url(3, 2, 4))
for name, options in {
    "": {}, ", a layer": {"layer_id": 1}, ", a filter": {"layer_id": 1, "filter": "mapnik"},
    ", a filter and no layer": {"filter": "mapnik"},
    ", vectors": {"extension": "mvt"}, ", the attributes of a feature": {"layer_id": 1, "feature_id": 7},
}.items():
    add(f"BaseMap.get_tile_url: a named map{name}", lambda client, options=options: _template(client).get_tile_url(
        3, 2, 4, **options))
    add(f"BaseMap.get_tile_url: an anonymous map{name}", lambda client, options=options: _instantiated(
        maps.AnonymousMap(client), MAP_CONFIG).get_tile_url(3, 2, 4, **options))
add("BaseMap.get_tile_url: a named map, with values", lambda client: _instantiated(
    _template(client), {"color": "blue"}).get_tile_url(3, 2, 4, 1))
add("BaseMap.__init__", lambda client: maps.BaseMap(client))

# Users

for name, client in {"": key_client, ": of an organization": organization_client}.items():
    add(f"UserManager.get{name}", lambda client: users.UserManager(client).get("ana"), client)
    add(f"UserManager.create{name}",
        lambda client: users.UserManager(client).create(username="ana", email="ana@example.com", password="secret"),
        client)
    add(f"UserManager.get_collection_endpoint{name}",
        lambda client: users.UserManager(client).get_collection_endpoint(), client)
    add(f"UserManager.get_resource_endpoint{name}",
        lambda client: users.UserManager(client).get_resource_endpoint("ana"), client)
    add(f"User.save{name}", lambda client: filled(users.User(client), username="ana", quota_in_bytes=2000).save(),
        client)
    add(f"User.delete{name}", lambda client: filled(users.User(client), username="ana").delete(), client)
    add(f"User.refresh{name}", lambda client: filled(users.User(client), username="ana").refresh(), client)
    add(f"User.get_collection_endpoint{name}", lambda client: users.User(client).get_collection_endpoint(), client)
    add(f"User.get_resource_endpoint{name}",
        lambda client: filled(users.User(client), username="ana").get_resource_endpoint(), client)
add("UserManager.filter", lambda client: users.UserManager(client).filter(q="ana"))
add("UserManager.all", lambda client: users.UserManager(client).all())
add("UserManager.__init__", lambda client: users.UserManager(client).client is client)
add("User.__init__", lambda client: users.User(client))

# Auth API


def _grant(client: Any) -> Any:
    return filled(api_keys.TableGrant(client), schema="public", name="stores", permissions=["select"])


def _api_key(client: Any) -> Any:
    return filled(api_keys.APIKey(client), name="reader")


add("APIKeyManager.create", lambda client: api_keys.APIKeyManager(client).create("reader"))
add("APIKeyManager.create: tables", lambda client: api_keys.APIKeyManager(client).create(
    "reader", [api_keys.API_SQL], [_grant(client)]))
add("APIKeyManager.create: tables as dictionaries", lambda client: api_keys.APIKeyManager(client).create(
    "reader", tables=[{"schema": "public", "name": "stores", "permissions": ["select"]}]))
add("APIKeyManager.create: one table", lambda client: api_keys.APIKeyManager(client).create(
    "reader", tables={"schema": "public", "name": "stores", "permissions": ["select"]}))
add("APIKeyManager.create: services", lambda client: api_keys.APIKeyManager(client).create(
    "reader", services=[api_keys.SERVICE_GEOCODING]))
add("APIKeyManager.create: no API", lambda client: api_keys.APIKeyManager(client).create("reader", []))
add("APIKeyManager.create: refused", lambda client: api_keys.APIKeyManager(client).create("reader"),
    answers={"POST": [(422, {"errors": ["name has already been taken"]})]})
add("APIKeyManager.get", lambda client: api_keys.APIKeyManager(client).get("reader"))
add("APIKeyManager.all", lambda client: api_keys.APIKeyManager(client).all())
add("APIKeyManager.filter", lambda client: api_keys.APIKeyManager(client).filter(type="default,master"))


def _regenerated(key: Any) -> Any:
    key.regenerate_token()
    return key


add("APIKey.regenerate_token", lambda client: _regenerated(_api_key(client)))
add("APIKey.delete", lambda client: _api_key(client).delete())
add("APIKey.delete: refused", lambda client: _api_key(client).delete(), answers={"DELETE": [(403, {"errors": ["no"]})]})
add("APIKey.refresh", lambda client: _api_key(client).refresh())
add("TableGrant.to_json", lambda client: _grant(client).to_json())
add("Grants.get_id", lambda client: api_keys.APIKeyManager(client).get("reader").grants.get_id())

# Kuviz

for name, options in {"": {}, ": with a password": {"password": "secret"},
                      ": replaced": {"if_exists": kuvizs.IF_EXISTS_REPLACE}}.items():
    add(f"KuvizManager.create{name}", lambda client, options=options: kuvizs.KuvizManager(client).create(
        "<p>Hello</p>", "page", **options))
add("KuvizManager.all", lambda client: kuvizs.KuvizManager(client).all())
add("KuvizManager.get", lambda client: kuvizs.KuvizManager(client).get("kuviz"))


def _kuviz(client: Any) -> Any:
    return filled(kuvizs.Kuviz(client), id="kuviz", name="page", privacy="public")


add("Kuviz.save", lambda client: filled(_kuviz(client), data="<p>New</p>").save())
add("Kuviz.save: a password", lambda client: filled(_kuviz(client), password="secret").save())
add("Kuviz.update_from_dict: one with a password", lambda client: _updated(
    kuvizs.Kuviz(client), privacy="password", password=None).privacy)
add("Kuviz.delete", lambda client: _kuviz(client).delete())

# Data Observatory

add("DoTokenManager.get", lambda client: do_token.DoTokenManager(client).get())
add("DOSubscriptionManager.all", lambda client: do_subscriptions.DOSubscriptionManager(client).all())
add("DOSubscriptionManager.filter",
    lambda client: do_subscriptions.DOSubscriptionManager(client).filter(type="dataset"))
add("DOSubscriptionCreationManager.create", lambda client: do_subscriptions.DOSubscriptionCreationManager(
    client).create(id="project.dataset.table", type="dataset"))
add("DOSubscriptionInfoManager.get", lambda client: do_subscription_info.DOSubscriptionInfoManager(client).get(
    "project.dataset.table", "dataset"))


def _do_dataset(client: Any) -> Any:
    return do_dataset.DODataset("mine", auth_client=client)


add("DODataset.__init__, DODataset.create", lambda client: do_dataset.DODataset(
    "mine", [("id", "INTEGER"), ("geom", "GEOMETRY")], 60, auth_client=client).create())
add("DODataset.create: step by step", lambda client: do_dataset.DODataset(auth_client=client).name("mine").column(
    "id", "INTEGER").column("geom", "GEOMETRY").ttl_seconds(60).create())
add("DODataset.column: no such type", lambda client: _do_dataset(client).column("id", "NONSENSE"))
add("DODataset.name", lambda client: type(_do_dataset(client).name("other")).__name__)
add("DODataset.ttl_seconds", lambda client: type(_do_dataset(client).ttl_seconds(60)).__name__)
add("DODataset.upload", lambda client: _do_dataset(client).upload(data_frame()))
add("DODataset.upload: a geometry", lambda client: _do_dataset(client).upload(data_frame(), geom_column="geom"))
add("DODataset.upload_file_object", lambda client: _do_dataset(client).upload_file_object(io.BytesIO(b"id\n1\n")))
add("DODataset.upload_file_object: a geometry",
    lambda client: _do_dataset(client).upload_file_object(io.BytesIO(b"id\n1\n"), geom_column="geom"))
add("DODataset.import_dataset", lambda client: type(_do_dataset(client).import_dataset()).__name__)
add("DODataset.upload_dataframe", lambda client: _do_dataset(client).upload_dataframe(data_frame(), "geom"))
add("DODataset.download_stream", lambda client: _do_dataset(client).download_stream())
add("DODataset.download_stream: a part", lambda client: _do_dataset(client).download_stream(
    limit=10, order_by="id", sql_query="SELECT 1", add_geom=True, is_geography=False))
add("DODataset.enrichment", lambda client: _do_dataset(client).enrichment(
    geom_type="polygons", variables=[{"id": "a"}], filters=[{"id": "b"}], aggregation={"a": "SUM"}, output_name="out"))
add("DODataset.enrichment: no options", lambda client: _do_dataset(client).enrichment())
add("DODataset.metadata", lambda client: _do_dataset(client).metadata("datasets", {"dataset": "a"}))
add("DODataset.metadata: refused", lambda client: _do_dataset(client).metadata("datasets", {"dataset": "a"}),
    answers={"GET": [(403, {"errors": ["no"]})]})
add("DODataset.create: refused", lambda client: _do_dataset(client).create(),
    answers={"POST": [(422, {"errors": ["no"]})]})
add("DODatasetJob.__init__, DODatasetJob.status",
    lambda client: do_dataset.DODatasetJob(JOB_ID, "mine", client).status())
add("DODatasetJob.result", lambda client: do_dataset.DODatasetJob(JOB_ID, "mine", client).result(), answers={
    "GET": [{"status": "pending"}, {"status": "running"}, {"status": "success"}]})
add("DODatasetJob.result: it fails", lambda client: do_dataset.DODatasetJob(JOB_ID, "mine", client).result(),
    answers={"GET": [{"status": "failure", "errors": ["no"]}]})
add("DOEnrichmentJob.__init__, DOEnrichmentJob.status",
    lambda client: do_dataset.DOEnrichmentJob(JOB_ID, client).status())
add("DOEnrichmentJob.result", lambda client: do_dataset.DOEnrichmentJob(JOB_ID, client).result(), answers={
    "GET": [{"status": "pending"}, {"status": "success"}]})

# Fields, paginators, exceptions


def _updated(resource: Any, **values: Any) -> Any:
    resource.update_from_dict(values)
    return resource


def _protected(client: Any, password: Any) -> dict[str, Any]:
    return attributes(filled(kuvizs.Kuviz(client), password=password), "password privacy")


add("Base64EncodedField.__set__", lambda client: [
    filled(kuvizs.Kuviz(client), data=value).data for value in ("text", "ñ", "", None, 5)])
add("PasswordAndPrivacyFields.__set__", lambda client: [
    _protected(client, password) for password in ("secret", "", None)])
add("PasswordAndPrivacyFields.__set__: no text", lambda client: _protected(client, 5))
add("GrantsField.__set__", lambda client: _updated(api_keys.APIKey(client), grants=[
    {"type": "apis", "apis": ["sql"]}]).grants)


def _urls(client: Any) -> list[Any]:
    paginator = paginators.CartoPaginator("items", BASE_URL, {"order": "name"})
    found = []
    for url, params in paginator.get_urls("api/v1/things/"):
        found.append([url, params])
        paginator.process_response(client.send(url, "get"))
    return found


PAGES = {"GET": [{"items": [1, 2], "total_entries": 3}, {"items": [3], "total_entries": 3}]}
add("CartoPaginator.get_urls", _urls, answers=PAGES)
add("CartoPaginator.process_response", lambda client: paginators.CartoPaginator("items", BASE_URL).process_response(
    client.send("api/v1/things/", "get")), answers=PAGES)
add("CartoPaginator.__init__", lambda client: attributes(paginators.CartoPaginator("items", BASE_URL),
                                                         "json_collection_attribute base_url params"))


def _rate_limit(client: Any, body: bytes = b"over the limit", headers: Mapping[str, str] = RATE_LIMITED[2]) -> Any:
    response = requests.Response()
    response.status_code, response._content = 429, body
    response.headers.update(headers)
    return response


add("CartoRateLimitException.__init__", lambda client: attributes(
    exceptions.CartoRateLimitException(_rate_limit(client)), "limit remaining retry_after reset"))
add("CartoRateLimitException: its text",
    lambda client: str(exceptions.CartoRateLimitException(_rate_limit(client))))
add("CartoRateLimitException: its text, of JSON",
    lambda client: str(exceptions.CartoRateLimitException(_rate_limit(client, b'{"errors": ["over the limit"]}'))))
add("CartoRateLimitException.__init__: only Retry-After", lambda client: attributes(
    exceptions.CartoRateLimitException(_rate_limit(client, headers={"Retry-After": "1"})),
    "limit remaining retry_after reset"))
add("CartoRateLimitException.is_rate_limited: Retry-After is a date", lambda client: exceptions.CartoRateLimitException.
    is_rate_limited(_rate_limit(client, headers={"Retry-After": "Thu, 12 Aug 2021 10:20:30 GMT"})))
add("CartoRateLimitException: pickled", lambda client: pickle.loads(
    pickle.dumps(exceptions.CartoRateLimitException(_rate_limit(client)))).retry_after)
add("CartoRateLimitException.is_rate_limited", lambda client: [
    exceptions.CartoRateLimitException.is_rate_limited(response)
    for response in (_rate_limit(client), requests.Response())])


class Thing(resources.AsyncResource):
    """A resource as users derive them, with a field of carto-python's module and one of pyrestcli's."""

    id = fields.CharField()
    size = pyrestcli_fields.IntegerField()

    class Meta:
        collection_endpoint = "api/v1/imports/"


class ThingManager(resources.Manager):
    """A manager as users derive them."""

    resource_class = Thing
    json_collection_attribute = "imports"
    paginator_class = paginators.CartoPaginator


add("AsyncResource.run", lambda client: Thing(client).run(json={"size": 1}))
add("AsyncResource.run: refused", lambda client: Thing(client).run(), answers={"POST": [(400, {"errors": ["no"]})]})
add("AsyncResource.refresh: without an id", lambda client: Thing(client).refresh())
add("AsyncResource.refresh", lambda client: filled(Thing(client), id=JOB_ID).refresh())


def _future_warnings(client: Any) -> int:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        datasets.DatasetManager(client).all()
    return sum(issubclass(each.category, FutureWarning) for each in warned)


add("WarnResource: warnings of ten datasets", _future_warnings, answers={
    "GET": [{"visualizations": [DATASET] * 10, "total_entries": 10}]}, alone=True)
add("WarnResource.__init__", lambda client: resources.WarnResource(client).client is client)
add("WarnAsyncResource.__init__", lambda client: resources.WarnAsyncResource(client).client is client)
add("Manager.__init__", lambda client: resources.Manager(client).client is client)
add("Manager.get", lambda client: ThingManager(client).get(JOB_ID))
add("Manager.all", lambda client: [each.id for each in ThingManager(client).all()],
    answers={"GET": [{"imports": [{"id": "1", "size": 2}]}]})
add("Manager.filter", lambda client: [each.size for each in ThingManager(client).filter(state="x")],
    answers={"GET": [{"imports": [{"id": "1", "size": 2}]}]})
add("Manager.create", lambda client: ThingManager(client).create(id="1", size=2))

# What every resource has from pyrestcli

RESOURCES: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "APIKey": (api_keys.APIKey, {"name": "reader"}),
    "Dataset": (datasets.Dataset, {"id": DATASET_ID, "name": "stores"}),
    "ExportJob": (lambda client: export.ExportJob(client, MAP_ID), {"id": JOB_ID}),
    "FileImportJob": (lambda client: file_import.FileImportJob(URL, client), {"item_queue_id": JOB_ID, "id": JOB_ID}),
    "Kuviz": (kuvizs.Kuviz, {"id": "kuviz", "name": "page"}),
    "NamedMap": (_template, {}),
    "SyncTableJob": (lambda client: sync_tables.SyncTableJob(URL, 900, client), {"id": SYNC_ID, "name": "stores"}),
    "Table": (tables.Table, {"id": TABLE_ID, "name": "stores"}),
    "User": (users.User, {"username": "ana"}),
    "Visualization": (visualizations.Visualization, {"id": MAP_ID, "name": "my map"}),
}


def add_calls_of_resource(kind: str, make: Callable[[Any], Any], values: dict[str, Any]) -> None:
    """Add what pyrestcli's base class gives every resource."""

    def read(client: Any) -> Any:
        return filled(make(client), **values)

    unnamed = {} if kind == "NamedMap" else values
    add(f"{kind}: id, endpoint and text", lambda client: [
        read(client).get_id(), read(client).get_resource_endpoint(), read(client).get_collection_endpoint(),
        str(read(client))])
    add(f"{kind}: update_from_dict", lambda client: _updated(make(client), **values, no_field=1))
    add(f"{kind}: send", lambda client: read(client).send(read(client).get_resource_endpoint() or "x", "get"))
    add(f"{kind}: refresh", lambda client: read(client).refresh())
    add(f"{kind}: save", lambda client: read(client).save())
    add(f"{kind}: save, made anew", lambda client: read(client).save(force_create=True))
    add(f"{kind}: save, one field", lambda client: read(client).save(fields=[*unnamed][-1:]))
    add(f"{kind}: delete", lambda client: read(client).delete())


for kind, (make, values) in RESOURCES.items():
    add_calls_of_resource(kind, make, values)
for kind in (permissions.Entity, permissions.Permission, synchronizations.Synchronization):
    add(f"{kind.__name__}: id and text", lambda client, kind=kind: [
        filled(kind(client), id="1").get_id(), str(filled(kind(client), id="1"))])
for kind in (datasets.Dataset, visualizations.Visualization, tables.Table):
    add(f"{kind.__name__}: without an id", lambda client, kind=kind: [
        kind(client).get_id(), kind(client).get_resource_endpoint(), kind(client).refresh()])
