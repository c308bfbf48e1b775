"""The Data Observatory: tokens, subscriptions and datasets, against answers as that closed service gave them."""

import io
import json
import logging
import pickle
import re
import tracemalloc
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest

from carto import do_dataset
from carto.auth import APIKeyAuthClient
from carto.do_dataset import TYPES_MAPPING, VALID_TYPES, DODataset, DODatasetJob, DOEnrichmentJob
from carto.do_subscription_info import DOSubscriptionInfo, DOSubscriptionInfoManager
from carto.do_subscriptions import (
    DOCreatedSubscription,
    DOSubscription,
    DOSubscriptionCreationManager,
    DOSubscriptionManager,
)
from carto.do_token import DoToken, DoTokenManager
from carto.exceptions import (
    CartoBadRequestException,
    CartoException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoServerException,
    CartoUsageException,
)
from carto.utils import ResponseStream
from tests.unit.raw_server import RawServer

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

DO = "https://me.carto.com/api/v4/do/"
DATA = "https://me.carto.com/api/v4/data/observatory/"
STORES = DATA + "user/datasets/my%20stores"
ID = "carto-do.acme.demographics_2020"
CONDITIONS = {"id": ID, "estimated_delivery_days": 3.0, "subscription_list_price": 100.0, "tos": "…",
              "tos_link": "https://example.com/tos", "licenses": "…", "licenses_link": "https://example.com/lic",
              "rights": "…", "type": "dataset"}
TOKEN = "ya29.very-secret"


class Plain:
    """A client that somebody wrote, which can be pickled."""

    base_url = "https://me.carto.com/"


@pytest.fixture
def dataset(auth_client):
    return DODataset(auth_client=auth_client).name("my stores")


@pytest.fixture
def frame():
    return pd.DataFrame({"id": [1, 2, 3], "geom": ["POINT(0 0)", 'é,"x"', None],
                         "opened": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03T10:00"], format="ISO8601")})


def query(server, index=-1):
    """The parameters of a request, without those that every one has."""
    pairs = parse_qsl(urlsplit(server.calls[index].request.url).query)
    assert ("api_key", "secret-key") in pairs
    return [pair for pair in pairs if pair[0] not in ("api_key", "client")]


def sent(server, index=-1):
    return json.loads(server.calls[index].request.body)


def paths(server):
    return [(call.request.method, urlsplit(call.request.url).path) for call in server.calls]


class TestToken:
    @pytest.mark.parametrize("answer", [[{"access_token": TOKEN}],
                                        {"access_token": TOKEN, "bq_project": "p", "instant_licensing": True}])
    def test_as_an_array_and_as_an_object(self, auth_client, server, answer):
        server.get(DO + "token", json=answer)
        token = DoTokenManager(auth_client).get()
        assert (type(token), token.access_token) == (DoToken, TOKEN)
        assert (token.bq_project, token.instant_licensing) in [(None, None), ("p", True)]
        assert query(server) == []

    @pytest.mark.parametrize("answer", [[], "ya29", [[]]])
    def test_another_answer_is_refused(self, auth_client, server, answer):
        server.get(DO + "token", json=answer)
        with pytest.raises(CartoInvalidResponseException, match="no token"):
            DoTokenManager(auth_client).get()

    def test_it_is_not_shown_and_not_pickled(self):
        token = DoToken(Plain(), access_token=TOKEN, bq_project="p")
        assert TOKEN not in repr(token) + str(token)
        assert TOKEN.encode() not in pickle.dumps(token)
        assert pickle.loads(pickle.dumps(token)).bq_project == "p"


class TestSubscriptions:
    def test_all(self, auth_client, server):
        server.get(DO + "subscriptions", json={"subscriptions": [
            {"dataset_id": ID, "id": ID, "project": "carto-do", "dataset": "acme", "table": "demographics_2020",
             "type": "dataset", "status": "active", "available_in": ["bq"]}]})
        (subscription,) = DOSubscriptionManager(auth_client).all()
        assert (type(subscription), subscription.id, subscription.status) == (DOSubscription, ID, "active")
        assert (subscription.project, subscription.dataset, subscription.table, subscription.type) == (
            "carto-do", "acme", "demographics_2020", "dataset")
        assert query(server) == [("page", "1")]

    def test_some(self, auth_client, server):
        server.get(DO + "subscriptions", json={"subscriptions": []})
        assert DOSubscriptionManager(auth_client).filter(status="active") == []
        assert ("status", "active") in query(server)

    def test_one(self, auth_client, server):
        server.get(DO + "subscriptions/" + ID, json={"id": ID, "status": "active"})
        assert DOSubscriptionManager(auth_client).get(ID).status == "active"

    def test_one_is_begun(self, auth_client, server):
        server.post(DO + "subscriptions", json=CONDITIONS)
        created = DOSubscriptionCreationManager(auth_client).create(id=ID, type="dataset")
        assert (sent(server), query(server)) == ({"id": ID, "type": "dataset"}, [])
        assert (type(created), created.estimated_delivery_days) == (DOCreatedSubscription, 3.0)

    @pytest.mark.parametrize("kind", [DOSubscription, DOCreatedSubscription])
    def test_one_is_ended(self, auth_client, server, kind):
        server.delete(DO + "subscriptions", status=204)
        assert kind(auth_client, id=ID).delete().status_code == 204
        assert query(server) == [("id", ID)]
        assert kind(auth_client).delete() is None

    def test_conditions(self, auth_client, server):
        server.get(DO + "subscription_info", json=CONDITIONS)
        info = DOSubscriptionInfoManager(auth_client).get(ID, "dataset")
        assert query(server) == [("id", ID), ("type", "dataset")]
        assert {name: getattr(info, name) for name in info.fields} == CONDITIONS
        assert type(info) is DOSubscriptionInfo

    @pytest.mark.parametrize(("path", "call"), [
        ("token", lambda client: DoTokenManager(client).get()),
        ("subscriptions", lambda client: DOSubscriptionManager(client).all()),
        ("subscription_info", lambda client: DOSubscriptionInfoManager(client).get("x", "dataset")),
    ])
    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (400, '{"errors":"Wrong \'id\' parameter value.","errors_cause":null}', CartoBadRequestException,
         "^Wrong 'id' parameter value.$"),
        (403, "", CartoForbiddenException, "403"),
        (404, '{"errors":"No metadata found for x"}', CartoNotFoundException, "^No metadata found for x$"),
        (500, '{"errors":["central failure"]}', CartoServerException, "^central failure$"),
    ])
    def test_what_the_server_says_is_raised(self, auth_client, server, path, call, status, body, kind, text):
        server.get(DO + path, status=status, body=body)
        with pytest.raises(kind, match=text):
            call(auth_client)


class TestDescribing:
    def test_a_dataset_is_created(self, dataset, server):
        server.post(DATA + "user/datasets", json={})
        assert dataset.column("id", "INT64").column("geom", "GEOMETRY").ttl_seconds(3600).create() is None
        assert sent(server) == {"id": "my stores", "ttl_seconds": 3600, "schema": [
            {"name": "id", "type": "INT64"}, {"name": "geom", "type": "GEOGRAPHY"}]}
        assert query(server) == []

    def test_at_once(self, auth_client, server):
        server.post(DATA + "user/datasets", body="Created", status=201)
        DODataset("stores", [("id", "string"), ["geom", "Geometry"]], 60, None, auth_client).create()
        assert sent(server) == {"id": "stores", "ttl_seconds": 60, "schema": [
            {"name": "id", "type": "STRING"}, {"name": "geom", "type": "GEOGRAPHY"}]}

    @pytest.mark.parametrize("kind", VALID_TYPES)
    def test_every_type(self, dataset, server, kind):
        server.post(DATA + "user/datasets", json={})
        dataset.column("a", kind).create()
        assert sent(server)["schema"] == [{"name": "a", "type": TYPES_MAPPING.get(kind, kind)}]

    @pytest.mark.parametrize("kind", ["NUMBER", "", None, 3, "GEOGRAPHY"])
    def test_other_types_are_refused(self, dataset, kind):
        with pytest.raises(CartoUsageException, match=f"^Invalid type {kind} of column a: it is one of STRING, "):
            dataset.column("a", kind)
        with pytest.raises(ValueError, match="Invalid type"):
            DODataset(columns=[("a", kind)], auth_client=dataset._client.auth_client)

    def test_two_datasets_share_no_columns(self, auth_client, server):
        server.post(DATA + "user/datasets", json={})
        DODataset(auth_client=auth_client).column("a", "DATE")
        DODataset("b", auth_client=auth_client).create()
        assert sent(server)["schema"] == []

    @pytest.mark.parametrize("call", [
        DODataset.create, DODataset.import_dataset, DODataset.download_stream, DODataset.enrichment,
        lambda dataset: dataset.upload(pd.DataFrame()), lambda dataset: dataset.upload_file_object(io.BytesIO()),
    ])
    def test_nothing_is_sent_without_a_name(self, auth_client, server, call):
        with pytest.raises(CartoUsageException, match="no name"):
            call(DODataset(auth_client=auth_client))
        assert len(server.calls) == 0

    def test_a_column_needs_a_name(self, dataset):
        with pytest.raises(CartoUsageException, match="a column needs a name"):
            dataset.column(type="DATE")

    def test_there_must_be_a_client(self):
        with pytest.raises(CartoUsageException, match="auth_client="):
            DODataset("stores")


def body_of(server, index=-1):
    return b"".join(server.calls[index].request.body)


class TestUploading:
    @pytest.mark.parametrize(("options", "parameters"), [
        ({}, []), ({"geom_column": "geom"}, [("geom_column", "geom")])])
    def test_a_data_frame(self, dataset, server, frame, options, parameters):
        server.post(STORES, json={"ok": True})
        assert dataset.upload(frame, **options).json() == {"ok": True}
        assert body_of(server).decode() == frame.to_csv(index=False)
        assert query(server) == parameters

    @pytest.mark.parametrize("cells", [1, 3, 4, 6, 9, 10, 100])
    def test_a_data_frame_piece_by_piece(self, dataset, server, frame, monkeypatch, cells):
        monkeypatch.setattr(do_dataset, "_CELLS_AT_A_TIME", cells)
        frame["opened"] = frame["opened"].astype(str)
        server.post(STORES, json={})
        dataset.upload(frame)
        assert body_of(server).decode() == frame.to_csv(index=False)

    @pytest.mark.parametrize("empty", [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=[1, 2])])
    def test_an_empty_data_frame(self, dataset, server, empty):
        server.post(STORES, json={})
        dataset.upload(empty)
        assert body_of(server).decode() == empty.to_csv(index=False)

    def test_D50_no_file_of_the_users_is_touched(self, dataset, server, frame, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "my stores").write_text("mine")
        server.post(STORES, json={})
        dataset.upload(frame)
        assert [path.name for path in tmp_path.iterdir()] == ["my stores"]
        assert (tmp_path / "my stores").read_text() == "mine"

    def test_it_is_sent_again_when_the_server_asks_for_it(self, server, frame, monkeypatch):
        monkeypatch.setattr("carto._http.retry.time.sleep", lambda seconds: None)
        server.post(STORES, status=429, headers={"Retry-After": "1"})
        server.post(STORES, json={})
        with APIKeyAuthClient("https://me.carto.com/", "secret-key") as client:
            DODataset("my stores", auth_client=client).upload(frame)
        assert len(server.calls) == 2
        assert body_of(server).decode() == frame.to_csv(index=False)

    @pytest.mark.parametrize("other", ["stores.csv", None, [[1]], {"a": [1]}])
    def test_other_things_are_no_data_frames(self, dataset, server, other):
        with pytest.raises(CartoUsageException, match=r"frame of pandas, not .* \(pip install pandas"):
            dataset.upload(other)
        assert len(server.calls) == 0

    @pytest.mark.parametrize("file", [io.BytesIO(b"a,b\n1,2\n"), io.StringIO("a,b\n1,2\n")])
    def test_a_file(self, dataset, server, file):
        server.post(STORES, json={})
        dataset.upload_file_object(file, geom_column="b")
        assert (body_of(server), query(server)) == (b"a,b\n1,2\n", [("geom_column", "b")])
        assert not file.closed

    def test_a_file_of_known_size_has_its_length(self, dataset, server):
        server.post(STORES, json={})
        dataset.upload_file_object(io.BytesIO(b"a,b\n1,2\n"))
        assert server.calls[0].request.headers["Content-Length"] == "8"
        assert "Transfer-Encoding" not in server.calls[0].request.headers

    @pytest.mark.parametrize("other", ["stores.csv", b"a,b", None])
    def test_other_things_are_no_files(self, dataset, server, other):
        with pytest.raises(CartoUsageException, match="file_object must be an open file, not"):
            dataset.upload_file_object(other)
        assert len(server.calls) == 0

    @pytest.mark.usefixtures("no_leaks")
    def test_a_large_data_frame_takes_little_memory(self, monkeypatch):
        monkeypatch.setattr(do_dataset, "_CELLS_AT_A_TIME", 1000)
        received = []

        def handle(peer):
            peer.head()
            while size := int(peer.until(b"\r\n"), 16):
                received.append(len(peer.exactly(size + 2)) - 2)
            peer.until(b"\r\n")
            peer.answer({})

        frame = pd.DataFrame({"a": range(40_000), "b": ["x" * 250] * 40_000})
        with RawServer(handle) as server, APIKeyAuthClient(server.url, "secret-key") as client:
            tracemalloc.start()
            DODataset("stores", auth_client=client).upload(frame)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert sum(received) == len(frame.to_csv(index=False)) > 10_000_000
        assert peak < 2_000_000

    def test_what_the_server_says_is_raised(self, dataset, server, frame):
        server.post(STORES, status=400, json={"errors": ["no such column"]})
        with pytest.raises(CartoBadRequestException, match=r"^no such column$"):
            dataset.upload(frame)


class TestDownloading:
    def test_rows_as_a_file(self, dataset, server):
        server.get(STORES, body="a,b\n1,2\n3,4\n")
        with dataset.download_stream() as stream:
            assert type(stream) is ResponseStream
            assert pd.read_csv(stream)["b"].tolist() == [2, 4]
        assert query(server) == []

    def test_options(self, dataset, server):
        server.get(STORES, body="a\n")
        dataset.download_stream(limit=3, order_by="a", sql_query="SELECT 1", add_geom=True, is_geography=False).close()
        assert query(server) == [("limit", "3"), ("order_by", "a"), ("sql_query", "SELECT 1"), ("add_geom", "true"),
                                 ("is_geography", "false")]

    @pytest.mark.usefixtures("no_leaks")
    def test_a_large_answer_takes_no_memory(self):
        block, count = b"1,some text\n" * 5000, 400

        def handle(peer):
            peer.head()
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(block) * count}\r\n\r\n".encode())
            for _ in range(count):
                peer.send(block)

        with RawServer(handle) as server, APIKeyAuthClient(server.url, "secret-key") as client:
            tracemalloc.start()
            with DODataset("stores", auth_client=client).download_stream() as stream:
                read = sum(len(piece) for piece in iter(lambda: stream.read(65536), b""))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert read == len(block) * count
        assert peak < read / 10

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (404, '{"errors":["no such dataset"]}', CartoNotFoundException, "^no such dataset$"),
        (502, "<html><body>Bad Gateway</body></html>", CartoServerException, "Bad Gateway"),
    ])
    def test_D51_what_the_server_says_is_raised(self, dataset, server, status, body, kind, text):
        server.get(STORES, status=status, body=body)
        with pytest.raises(kind, match=text):
            dataset.download_stream()

    def test_a_page_is_no_data(self, dataset, server):
        server.get(STORES, body="<html><body>Please sign in</body></html>", content_type="text/html")
        with pytest.raises(CartoInvalidResponseException):
            dataset.download_stream()


IMPORTS = STORES + "/imports"
ENRICHMENT = DATA + "enrichment"


class TestJobs:
    def test_an_import(self, dataset, server, clock):
        server.post(IMPORTS, json={"item_queue_id": "a/b"})
        for status in ("pending", "running", "success"):
            server.get(IMPORTS + "/a%2Fb", json={"status": status})
        job = dataset.import_dataset()
        assert (type(job), job.id, job.name) == (DODatasetJob, "a/b", "my stores")
        assert job.status() == "pending"
        assert job.result() == "success"
        assert len(server.calls) == 4
        assert query(server) == []

    def test_a_data_frame_is_uploaded_and_imported(self, dataset, server, frame, clock):
        server.post(STORES, json={})
        server.post(IMPORTS, json={"item_queue_id": "j"})
        server.get(IMPORTS + "/j", json={"status": "pending"})
        server.get(IMPORTS + "/j", json={"status": "success"})
        assert dataset.upload_dataframe(frame, geom_column="geom") == "success"
        path = urlsplit(STORES).path
        assert paths(server) == [("POST", path), ("POST", f"{path}/imports"), *[("GET", f"{path}/imports/j")] * 2]
        assert query(server, 0) == [("geom_column", "geom")]

    def test_a_failure_has_the_servers_reasons(self, auth_client, server, clock):
        server.get(IMPORTS + "/j", json={"status": "failure", "errors": ["no geometry", "no rows"]})
        with pytest.raises(CartoJobException, match=r"j failure: no geometry; no rows$") as caught:
            DODatasetJob("j", "my stores", auth_client).result()
        assert (caught.value.job_id, caught.value.state) == ("j", "failure")
        assert isinstance(caught.value, CartoException)

    def test_an_enrichment(self, dataset, server, clock):
        server.post(ENRICHMENT, json={"job_id": "j"})
        server.get(ENRICHMENT + "/j/status", json={"status": "pending"})
        server.get(ENRICHMENT + "/j/status", json={"status": "success"})
        variables = [{"id": "population", "aggregation": "SUM"}]
        assert dataset.enrichment("polygons", variables, {"population": "> 1"}, "default", "enriched") == "success"
        assert sent(server, 0) == {"type": "polygons", "input": "my stores", "variables": variables,
                                   "filters": {"population": "> 1"}, "aggregation": "default", "output": "enriched"}

    def test_an_enrichment_of_points_with_nothing_said(self, dataset, server, clock):
        server.post(ENRICHMENT, json={"job_id": "j"})
        server.get(ENRICHMENT + "/j/status", json={"status": "failure", "errors": ["no variables"]})
        with pytest.raises(CartoJobException, match="enrichment j failure: no variables"):
            dataset.enrichment()
        assert sent(server, 0) == {"type": "points", "input": "my stores", "variables": None, "filters": None,
                                   "aggregation": None, "output": None}

    @pytest.mark.parametrize(("call", "limit"), [
        (lambda client: DOEnrichmentJob("j", client).result(), do_dataset.DEFAULT_WAIT),
        (lambda client: DOEnrichmentJob("j", client).result(timeout=30), 30),
        (lambda client: DODataset("d", auth_client=client).enrichment(timeout=20), 20),
    ])
    def test_a_wait_has_an_end(self, auth_client, server, clock, call, limit):
        server.post(ENRICHMENT, json={"job_id": "j"})
        server.get(ENRICHMENT + "/j/status", json={"status": "pending"})
        with pytest.raises(CartoJobException, match=f"not finished after {limit:g} seconds"):
            call(auth_client)
        assert clock.now == pytest.approx(limit)

    @pytest.mark.parametrize("timeout", [0, -1, float("inf"), "10"])
    def test_a_wait_without_an_end_is_refused(self, auth_client, server, timeout):
        with pytest.raises(CartoUsageException, match="timeout"):
            DOEnrichmentJob("j", auth_client).result(timeout=timeout)
        assert len(server.calls) == 0

    @pytest.mark.parametrize("answer", [{}, [], {"item_queue_id": None}, "j"])
    def test_an_answer_without_a_job_is_refused(self, dataset, server, answer):
        server.post(IMPORTS, json=answer)
        with pytest.raises(CartoInvalidResponseException, match="no id of a job"):
            dataset.import_dataset()

    @pytest.mark.parametrize("answer", [{}, [], {"status": None}])
    def test_an_answer_without_a_status_is_refused(self, auth_client, server, answer):
        server.get(ENRICHMENT + "/j/status", json=answer)
        with pytest.raises(CartoInvalidResponseException, match="no status of the enrichment"):
            DOEnrichmentJob("j", auth_client).status()


class TestCatalog:
    @pytest.mark.parametrize(("entity", "filters", "path", "parameters"), [
        ("datasets", {"country": "usa"}, "datasets", [("country", "usa")]),
        ("datasets", None, "datasets", []),
        ("countries", {}, "countries", []),
        ("variables", {"dataset": ["a", "b"], "x": None}, "variables", [("dataset", "a"), ("dataset", "b")]),
        ("datasets/a b/variables", {}, "datasets/a%20b/variables", []),
        ("x?y", {}, "x%3Fy", []),
    ])
    def test_what_is_asked_for(self, dataset, server, entity, filters, path, parameters):
        server.get(re.compile(re.escape(DATA)), json=[{"id": "usa"}])
        assert dataset.metadata(entity, filters) == [{"id": "usa"}]
        assert server.calls[0].request.url.partition("?")[0] == f"{DATA}metadata/{path}"
        assert query(server) == parameters

    @pytest.mark.parametrize("entity", ["../../x", "", "datasets/", "datasets//variables"])
    def test_no_path_leads_elsewhere(self, dataset, server, entity):
        with pytest.raises(CartoUsageException, match="is not an id"):
            dataset.metadata(entity, {})
        assert len(server.calls) == 0


@pytest.mark.parametrize("call", [
    DODataset.create, DODataset.import_dataset, DODataset.download_stream, DODataset.enrichment,
    lambda dataset: dataset.metadata("datasets", None), lambda dataset: dataset.upload(pd.DataFrame({"a": [1]})),
    lambda dataset: dataset.upload_file_object(io.BytesIO(b"a")),
    lambda dataset: DOEnrichmentJob("j", dataset._client.auth_client).result(timeout=1),
])
def test_D15_a_rate_limit_is_raised_as_one(dataset, server, call):
    for method in ("GET", "POST"):
        server.add(method, re.compile(re.escape(DATA)), status=429, headers={"Retry-After": "7"})
    with pytest.raises(CartoRateLimitException) as caught:
        call(dataset)
    assert caught.value.retry_after == 7


def test_no_key_is_in_an_error_or_in_a_log(dataset, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.get(STORES, status=500, json={"errors": ["secret-key is broken"]})
    with pytest.raises(CartoServerException) as caught:
        dataset.download_stream()
    assert "secret-key" not in str(caught.value) + caught.value.url + caplog.text + repr(dataset)
    assert f"GET {STORES}?" in caplog.text
