"""Maps: found by name or id, listed, changed, created, exported, and their files downloaded."""

import base64
import io
import json
import pickle
import zipfile

import pytest
import requests

from carto import visualizations
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoConnectionException,
    CartoException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoUnprocessableException,
    CartoUsageException,
)
from carto.export import ExportJob
from carto.visualizations import Visualization, VisualizationManager
from tests.unit.calls import query
from tests.unit.raw_server import RawServer
from tests.unit.viz_objects import MAP_ID, dataset, listing, map_

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

VIZ = "https://me.carto.com/api/v1/viz/"
EXPORTS = "https://me.carto.com/api/v3/visualization_exports/"
EXPORT_ID = "0a7f6f5e-0d2c-4b6f-9c7a-0f4e3d2c1b0a"
STORAGE = "https://storage.example.com/exports/my_map.carto?X-Signature=AbC"


def carto_file():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("map.carto.json", "{}" * 1000)
    return buffer.getvalue()


FILE = carto_file()


def export(state, url=None):
    return {"id": EXPORT_ID, "visualization_id": MAP_ID, "user_id": None, "state": state, "url": url,
            "created_at": "2020-03-05T09:12:44.011Z", "updated_at": "2020-03-05T09:12:44.011Z"}


@pytest.fixture
def manager(auth_client):
    return VisualizationManager(auth_client)


@pytest.fixture
def my_map(auth_client):
    my_map = Visualization(auth_client)
    my_map.update_from_dict(map_())
    return my_map


class TestFinding:
    def test_by_id(self, manager, server):
        server.get(VIZ + MAP_ID, json=map_())
        assert manager.get(MAP_ID).name == "my map"
        assert len(server.calls) == 1

    def test_by_name(self, manager, server):
        server.get(VIZ, json=listing(map_(id="other", name="my map 2"), map_()))
        server.get(VIZ + MAP_ID, json=map_(related_tables=[{"id": "t", "name": "stores"}]))
        found = manager.get("my map")
        assert query(server.calls[0])["q"] == "my map"
        assert query(server.calls[0])["type"] == "derived"
        assert [table.name for table in found.related_tables] == ["stores"]

    def test_two_with_one_name_are_an_error_that_lists_them(self, manager, server):
        server.get(VIZ, json=listing(map_(id="1"), map_(id="2", updated_at="2021-01-01T00:00:00Z")))
        with pytest.raises(CartoUsageException, match=r"2 maps are called 'my map'.* 1 \(changed.*, 2 \(changed 2021"):
            manager.get("my map")

    def test_none_with_that_name(self, manager, server):
        server.get(VIZ, json=listing())
        server.get(VIZ + "my%20map", status=404, json={"errors": "Visualization does not exist", "errors_cause": None})
        with pytest.raises(CartoNotFoundException, match="does not exist"):
            manager.get("my map")
        assert manager.get_or_none("my map") is None

    def test_a_dataset_is_no_map(self, manager, server):
        server.get(VIZ, json=listing())
        server.get(VIZ + "stores", json=dataset())
        with pytest.raises(CartoNotFoundException, match=r"no such Visualization: stores is .* type table"):
            manager.get("stores")

    @pytest.mark.parametrize("key", [None, ""])
    def test_an_id_is_needed(self, manager, key):
        with pytest.raises(CartoUsageException):
            manager.get(key)

    def test_all_and_filter(self, manager, server):
        server.get(VIZ, json=listing(map_(), map_(id="2")))
        assert [each.id for each in manager.all()] == [MAP_ID, "2"]
        manager.filter(q="rivers", order="name")
        sent = query(server.calls[1])
        assert (sent["type"], sent["exclude_shared"], sent["q"], sent["order"]) == ("derived", "true", "rivers", "name")
        assert "with_dependent_visualizations" not in sent

    def test_D15_a_rate_limit_stays_one(self, manager, server):
        server.get(VIZ, status=429, headers={"Retry-After": "5"})
        with pytest.raises(CartoRateLimitException):
            manager.get("my map")


class TestChanging:
    def test_save(self, my_map, server):
        server.put(VIZ + MAP_ID, json=map_(privacy="LINK"))
        my_map.privacy = "LINK"
        my_map.save()
        body = json.loads(server.calls[0].request.body)
        assert (body["id"], body["privacy"]) == (MAP_ID, "LINK")
        assert not body.keys() & {"stats", "permission", "table", "related_tables", "updated_at", "url", "password"}

    def test_a_password(self, my_map, server):
        server.put(VIZ + MAP_ID, json=map_(privacy="PASSWORD"))
        my_map.privacy, my_map.password = "PASSWORD", "open sesame"
        my_map.save()
        assert json.loads(server.calls[0].request.body)["password"] == "open sesame"
        assert my_map.password == "open sesame"
        assert "sesame" not in repr(my_map)
        assert b"sesame" not in pickle.dumps(my_map)

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (400, '{"errors": ["Password required for protected visualization"]}', CartoBadRequestException, "Password"),
        (403, '{"errors": ["Privacy over account private map quota"]}', CartoForbiddenException, "over account"),
    ])
    def test_what_the_server_says_is_raised(self, my_map, server, status, body, kind, text):
        server.put(VIZ + MAP_ID, status=status, body=body)
        with pytest.raises(kind, match=text):
            my_map.save()

    def test_delete(self, my_map, server):
        server.delete(VIZ + MAP_ID, status=204)
        assert my_map.delete().status_code == 204

    def test_D47_create_creates(self, manager, server):
        server.post(VIZ, json=map_(name="new"))
        made = manager.create(name="new", tables=["stores"])
        assert json.loads(server.calls[0].request.body) == {"type": "derived", "name": "new", "tables": ["stores"]}
        assert (type(made), made.name) == (Visualization, "new")

    @pytest.mark.parametrize(("status", "body", "kind"), [(400, '{"errors": null}', CartoBadRequestException),
                                                          (403, "", CartoForbiddenException)])
    def test_what_cannot_be_created(self, manager, server, status, body, kind):
        server.post(VIZ, status=status, body=body)
        with pytest.raises(kind):
            manager.create(tables=["missing"])


def exporting(server, *states):
    server.post(EXPORTS, status=201, json=export("pending"))
    for each in states:
        server.get(EXPORTS + EXPORT_ID, json=each)


class TestExport:
    def test_its_url(self, my_map, server, clock):
        exporting(server, export("exporting"), export("uploading"), export("complete", STORAGE))
        states = []
        assert my_map.export(on_state=lambda job: states.append(job.state)) == STORAGE
        assert states == ["pending", "exporting", "uploading", "complete"]
        assert query(server.calls[0])["visualization_id"] == MAP_ID

    @pytest.mark.parametrize(("given", "whole"), [
        ("/uploads/t0k3n/my_map.carto", "https://me.carto.com/uploads/t0k3n/my_map.carto"),
        (f"/api/v3/visualization_exports/{EXPORT_ID}/download", f"{EXPORTS}{EXPORT_ID}/download"),
    ])
    def test_a_relative_url_is_on_the_same_host(self, my_map, server, clock, given, whole):
        exporting(server, export("complete", given))
        assert my_map.export() == whole

    def test_a_relative_url_is_of_the_host_not_of_the_user(self, server, clock):
        client = APIKeyAuthClient("https://my.server/user/me/", "secret-key")
        job = ExportJob(client, MAP_ID)
        job.update_from_dict(export("complete", "/uploads/x.carto"))
        assert job.file_url() == "https://my.server/uploads/x.carto"

    def test_a_failure(self, my_map, server, clock):
        exporting(server, export("exporting"), export("failure"))
        with pytest.raises(CartoJobException, match=f"export {EXPORT_ID} failure") as caught:
            my_map.export()
        assert caught.value.job_id == EXPORT_ID

    def test_an_end_without_an_address(self, my_map, server, clock):
        exporting(server, export("complete"))
        with pytest.raises(CartoJobException, match="complete: the server tells no address"):
            my_map.export()

    def test_the_deadline_is_that_of_the_module_at_the_call(self, my_map, server, clock, monkeypatch):
        exporting(server, export("exporting"))
        with pytest.raises(CartoJobException, match="not finished after 150 seconds"):
            my_map.export()
        monkeypatch.setattr(visualizations, "MAX_NUMBER_OF_RETRIES", 2)
        with pytest.raises(CartoJobException, match="not finished after 10 seconds"):
            my_map.export()
        with pytest.raises(CartoJobException, match="not finished after 7 seconds"):
            my_map.export(timeout=7)

    @pytest.mark.parametrize(("status", "text", "kind"), [
        (404, f"Visualization not found: {MAP_ID}", CartoNotFoundException),
        (403, 'Errors: ["User Must be able to view the visualization"]', CartoForbiddenException),
        (422, 'Errors: ["Visualization Only derived visualizations can be exported"]', CartoUnprocessableException),
        (400, "Parameter not UUID format. Parameter: id. Value: x", CartoBadRequestException),
    ])
    def test_what_the_server_says_is_raised(self, my_map, server, status, text, kind):
        server.post(EXPORTS, status=status, json={"errors": text, "errors_cause": None})
        with pytest.raises(kind) as caught:
            my_map.export()
        assert text in str(caught.value)

    def test_a_map_without_an_id(self, auth_client):
        with pytest.raises(CartoUsageException, match="no id"):
            Visualization(auth_client).export()


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "my_map.carto"
    path.write_bytes(b"as before")
    return path


class TestDownload:
    @pytest.mark.parametrize("place", ["header", "query"])
    @pytest.mark.usefixtures("no_leaks")
    def test_from_a_storage_service_without_credentials(self, server, clock, target, place):
        with APIKeyAuthClient("https://me.carto.com/", "secret-key", api_key_in=place) as client:
            exporting(server, export("complete", STORAGE))
            server.get(STORAGE, body=FILE, auto_calculate_content_length=True)
            my_map = Visualization(client, id=MAP_ID)
            seen = []
            my_map.download(target, progress=lambda done, total: seen.append((done, total)))
        assert target.read_bytes() == FILE
        assert seen[-1] == (len(FILE), len(FILE))
        request = server.calls[-1].request
        assert request.url == STORAGE
        assert "Authorization" not in request.headers
        assert "secret-key" not in str(request.headers) + request.url

    def test_netrc_is_not_asked_about_a_storage_service(self, my_map, server, clock, target, tmp_path, monkeypatch):
        (tmp_path / "netrc").write_text("machine storage.example.com login other password other-secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        exporting(server, export("complete", STORAGE))
        server.get(STORAGE, body=FILE)
        my_map.download(target)
        assert "Authorization" not in server.calls[-1].request.headers

    def test_from_the_server_itself_with_credentials(self, my_map, server, clock, target):
        exporting(server, export("complete", f"/api/v3/visualization_exports/{EXPORT_ID}/download"))
        server.get(f"{EXPORTS}{EXPORT_ID}/download", body=FILE)
        my_map.download(str(target))
        assert target.read_bytes() == FILE
        credentials = server.calls[-1].request.headers["Authorization"].removeprefix("Basic ")
        assert base64.b64decode(credentials) == b"me:secret-key"

    @pytest.mark.parametrize("url", ["http://me.carto.com/x.carto", "https://me.carto.com:8443/x.carto",
                                     "https://me.carto.com.evil.example/x.carto", "https://me.carto.com@evil.example/x"])
    def test_origins_that_only_look_the_same_get_no_credentials(self, my_map, server, clock, target, url):
        exporting(server, export("complete", url))
        server.add("GET", url, body=FILE)
        my_map.download(target)
        headers = server.calls[-1].request.headers
        assert "secret-key" not in base64.b64decode(headers.get("Authorization", "")[6:]).decode()

    def test_the_settings_of_the_callers_session_hold(self, server, clock, target):
        session = requests.Session()
        session.verify, session.proxies = "/etc/ca.pem", {"https": "http://proxy:3128"}
        session.headers["X-Secret"], session.auth = "do not tell", ("me", "password")
        exporting(server, export("complete", STORAGE))
        server.get(STORAGE, body=FILE)
        Visualization(APIKeyAuthClient("https://me.carto.com/", "k", session=session), id=MAP_ID).download(target)
        request = server.calls[-1].request
        assert request.req_kwargs["verify"] == "/etc/ca.pem"
        assert request.req_kwargs["proxies"]["https"] == "http://proxy:3128"
        assert not {"X-Secret", "Authorization"} & set(request.headers)

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (403, "<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>", CartoForbiddenException, "ExpiredToken"),
        (404, '{"errors": "Visualization export not found: x"}', CartoNotFoundException, "export not found"),
        (200, "<html>Please log in</html>", CartoInvalidResponseException, "no .carto file.*<html>"),
        (200, '{"url": null}', CartoInvalidResponseException, "no .carto file"),
        (200, "", CartoInvalidResponseException, "no .carto file"),
        (302, "", CartoException, "302"),
    ])
    @pytest.mark.usefixtures("no_leaks")
    def test_D22_the_target_is_as_before_when_there_is_no_file(self, my_map, server, clock, target, status, body, kind,
                                                              text):
        exporting(server, export("complete", STORAGE))
        server.get(STORAGE, status=status, body=body)
        with pytest.raises(kind, match=text):
            my_map.download(target)
        assert target.read_bytes() == b"as before"
        assert [path.name for path in target.parent.iterdir()] == ["my_map.carto"]

    @pytest.mark.usefixtures("no_leaks")
    def test_the_target_is_as_before_when_the_file_breaks_off(self, clock, target):
        def handle(peer):
            while "GET" not in peer.head():
                peer.exactly(0)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + FILE)
            peer.socket.close()

        with RawServer(handle) as raw, APIKeyAuthClient(raw.url, "k", retries=0, timeout=5) as client:
            job = ExportJob(client, MAP_ID)
            job.update_from_dict(export("complete", f"{raw.origin}/uploads/x.carto"))
            with pytest.raises(CartoConnectionException, match="bytes of the answer had come"):
                job.download(target)
        assert target.read_bytes() == b"as before"
        assert [path.name for path in target.parent.iterdir()] == ["my_map.carto"]

    def test_what_cannot_be_written_is_said_before_the_request(self, auth_client, server, tmp_path):
        job = ExportJob(auth_client, MAP_ID)
        job.update_from_dict(export("complete", STORAGE))
        for path, error in ((tmp_path, IsADirectoryError), (tmp_path / "missing" / "a.carto", FileNotFoundError)):
            with pytest.raises(error):
                job.download(path)
        assert len(server.calls) == 0

    def test_an_export_that_is_not_done(self, auth_client, target):
        job = ExportJob(auth_client, MAP_ID)
        job.update_from_dict(export("exporting"))
        with pytest.raises(CartoUsageException, match="its state is exporting"):
            job.download(target)
