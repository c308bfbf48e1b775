"""Imports: one POST for every kind of source, options as the server reads them, jobs, the reasons of failures."""

import io
import json
import os
import pickle
import re
import tracemalloc
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pyrestcli.auth import BaseAuthClient

from carto import file_import
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoLimitException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoServerException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.file_import import FileImportJob, FileImportJobManager
from tests.unit.forms import Part, parts_of
from tests.unit.raw_server import RawServer

IMPORTS = "https://me.carto.com/api/v1/imports/"
ID = "2c7a0a1e-6f0b-4a52-9a3b-0f3f5f0c1d11"
STARTED = {"item_queue_id": ID, "success": True}
CSV = b"name,n\r\ncaf\xc3\xa9,1\r\n"
URL = "https://Example.com/Data/Stores.CSV?Token=AbC#Frag"


def state(word, **more):
    """An import as the server describes it."""
    return {"id": ID, "queue_id": ID, "user_id": "9d7cbb9e-95a4-4a2e-8f6a-8b7f6c5d4e3f", "table_id": None,
            "data_type": "file", "table_name": None, "state": word, "error_code": None, "tables_created_count": None,
            "synchronization_id": None, "get_error_text": None, "display_name": "stores.csv", "warnings": None, **more}


def failed(code, title, advice, **more):
    return state("failure", error_code=code, success=False,
                 get_error_text={"title": title, "what_about": advice, "source": "user"}, **more)


class Posts:
    """A server that takes imports, and keeps what came: bodies are read as they are sent."""

    def __init__(self, server, *answers):
        self.requests = []
        self._answers = list(answers or [(200, {}, json.dumps(STARTED))])
        server.add_callback("POST", IMPORTS, self._take)

    def _take(self, request):
        body = b"".join(request.body) if not isinstance(request.body, bytes) else request.body
        self.requests.append((request.headers, parse_qs(urlsplit(request.url).query), body))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @property
    def only(self):
        (request,) = self.requests
        return request

    @property
    def part(self):
        headers, _, body = self.only
        assert int(headers["Content-Length"]) == len(body)
        assert "Transfer-Encoding" not in headers
        (part,) = parts_of(headers["Content-Type"], body)
        return part

    @property
    def options(self):
        query = {name: value for name, (value,) in self.only[1].items()}
        assert query.pop("client")
        return query

    @property
    def document(self):
        assert self.only[0]["Content-Type"] == "application/json"
        return json.loads(self.only[2])


@pytest.fixture
def posts(server):
    return Posts(server)


@pytest.fixture
def manager(auth_client):
    return FileImportJobManager(auth_client)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "Año Nuevo (Copy).CSV"
    path.write_bytes(CSV)
    return path


class AnyPath:
    """A path of somebody else's."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return str(self._path)


class TestFiles:
    @pytest.mark.parametrize("form", [str, Path, AnyPath])
    @pytest.mark.usefixtures("no_leaks")
    def test_D09_a_path_of_any_case_with_blanks_and_accents(self, manager, posts, csv, form):
        job = manager.create(form(csv))
        assert posts.part == Part("file", "Año Nuevo (Copy).CSV", CSV)
        assert job.get_id() == ID

    def test_a_file_object_is_left_open(self, manager, posts, csv):
        with csv.open("rb") as file:
            manager.create(file)
            assert posts.part == Part("file", csv.name, CSV)
            assert not file.closed

    def test_a_file_object_of_text(self, manager, posts, csv):
        with csv.open(encoding="utf-8", newline="") as file:
            manager.create(file)
        assert posts.part.content == CSV

    @pytest.mark.parametrize("archive", [CSV, bytearray(CSV), memoryview(CSV), io.BytesIO(CSV)])
    def test_data_without_a_name_are_given_one(self, manager, posts, archive):
        manager.create(archive, filename="stores.csv")
        assert posts.part == Part("file", "stores.csv", CSV)
        assert posts.options == {}

    def test_D76_data_without_a_name_are_not_sent_under_another(self, manager, posts):
        with pytest.raises(CartoUsageException, match="filename="):
            manager.create(io.BytesIO(CSV))
        assert posts.requests == []

    @pytest.mark.usefixtures("no_leaks")
    def test_a_pipe_has_a_content_length_too(self, manager, posts):
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(CSV)
        with os.fdopen(reading, "rb") as pipe:
            manager.create(pipe, filename="stores.csv")
        assert posts.part.content == CSV

    def test_an_empty_file_is_sent_for_the_server_to_judge(self, manager, posts, tmp_path):
        (tmp_path / "empty.csv").touch()
        manager.create(tmp_path / "empty.csv")
        assert posts.part == Part("file", "empty.csv", b"")

    @pytest.mark.parametrize(("name", "error"), [("missing.csv", FileNotFoundError), (".", IsADirectoryError)])
    def test_what_cannot_be_read_is_said_before_the_request(self, manager, posts, tmp_path, name, error):
        with pytest.raises(error, match=str(tmp_path)):
            manager.create(str(tmp_path / name))
        assert posts.requests == []

    @pytest.mark.usefixtures("no_leaks")
    def test_D49_the_file_is_closed_also_when_the_server_refuses(self, manager, server, csv):
        Posts(server, (400, {}, '{"errors": {"imports": "no"}}'))
        with pytest.raises(CartoBadRequestException):
            manager.create(csv)

    def test_D49_a_second_run_sends_nothing(self, manager, posts, csv):
        job = manager.create(csv)
        job.run()
        assert posts.part.content == CSV
        with pytest.raises(CartoUsageException, match="options can't be changed"):
            job.run(privacy="public")

    @pytest.mark.usefixtures("no_leaks")
    def test_a_source_that_fails_raises_its_own_error(self, manager, posts):
        class Broken(io.BytesIO):
            def read(self, size=-1):
                raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            manager.create(Broken(CSV), filename="a.csv")

    def test_progress_is_told_in_bytes(self, manager, posts, csv):
        csv.write_bytes(CSV * 50_000)
        seen = []
        manager.create(csv, progress=lambda done, total: seen.append((done, total)))
        whole = len(posts.only[2])
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert len(seen) > 3
        assert seen[-1] == (whole, whole)

    def test_a_rate_limit_is_waited_for_and_the_whole_file_sent_again(self, server, csv, monkeypatch):
        waits = []
        monkeypatch.setattr("carto._http.retry.time.sleep", waits.append)
        posts = Posts(server, (429, {"Retry-After": "2"}, "{}"), (200, {}, json.dumps(STARTED)))
        FileImportJobManager(APIKeyAuthClient("https://me.carto.com/", "secret-key")).create(csv)
        assert [parts_of(headers["Content-Type"], body)[0].content for headers, _, body in posts.requests] == [CSV] * 2
        assert len(waits) == 1


class TestOtherSources:
    def test_D10_a_url_is_sent_as_it_is(self, manager, posts):
        manager.create(URL)
        assert posts.document == {"url": URL}

    @pytest.mark.parametrize("url", ["http://a/b.csv", "HTTPS://a/B.csv", "ftp://a/b.csv"])
    def test_urls_of_each_kind(self, manager, posts, url):
        manager.create(url)
        assert posts.document == {"url": url}

    def test_D11_there_is_one_post(self, manager, posts, csv):
        manager.create(csv, privacy="public")
        assert len(posts.requests) == 1
        manager.create(URL)
        assert len(posts.requests) == 2

    @pytest.mark.parametrize("options", [
        {"sql": "SELECT 1"}, {"table_copy": "stores"}, {"url": URL}, {"connector": {"provider": "postgres"}},
        {"remote_visualization_id": ID}, {"service_name": "dropbox", "service_item_id": "17"},
    ])
    def test_a_source_among_the_options(self, manager, posts, options):
        manager.create(**options)
        assert posts.document == options

    @pytest.mark.parametrize("connection", [{"provider": "postgres", "table": "t"},
                                            {"connector": {"provider": "postgres", "table": "t"}}])
    def test_a_database(self, manager, posts, connection):
        manager.create(connection=connection, privacy="PRIVATE")
        assert posts.document == {"connector": {"provider": "postgres", "table": "t"}, "privacy": "PRIVATE"}

    def test_D07_an_import_after_one_from_a_database(self, manager, posts, csv):
        manager.create(None, connection={"provider": "postgres"})
        manager.create(URL)
        manager.create(csv)
        assert len(posts.requests) == 3
        assert "connector" not in FileImportJob.fields

    @pytest.mark.parametrize("archive", [None, ""])
    def test_nothing_to_import(self, manager, posts, archive):
        with pytest.raises(CartoUsageException, match="nothing to import"):
            manager.create(archive, privacy="public")
        assert posts.requests == []

    @pytest.mark.parametrize("archive", [5, {"url": URL}, object()])
    def test_what_is_no_archive(self, manager, posts, archive):
        with pytest.raises(CartoUsageException, match=f"a path, a file or bytes, not {type(archive).__name__}"):
            manager.create(archive)
        assert posts.requests == []

    def test_a_data_frame_is_no_archive(self, manager, posts):
        class DataFrame:
            """Like that of pandas."""

            def __eq__(self, other):
                return self

            def __bool__(self):
                raise ValueError("The truth value of a DataFrame is ambiguous.")

            def __iter__(self):
                return iter(["name"])

            def to_csv(self):
                return "name"

        with pytest.raises(CartoUsageException, match=r"not DataFrame: write it by its to_csv .* filename="):
            manager.create(DataFrame())
        assert posts.requests == []

    @pytest.mark.parametrize(("archive", "options", "names"), [
        (URL, {"sql": "SELECT 1"}, "the archive, sql="), (None, {"sql": "x", "table_copy": "t"}, "sql=, table_copy="),
        (CSV, {"connection": {}}, "the archive, connection="),
    ])
    def test_several_sources(self, manager, posts, archive, options, names):
        with pytest.raises(CartoUsageException, match=f"several: {names}"):
            manager.create(archive, **options)
        assert posts.requests == []

    def test_a_url_that_carto_cannot_fetch(self, manager, posts):
        with pytest.raises(CartoUsageException, match="http, https, ftp"):
            manager.create("s3://bucket/stores.csv")

    @pytest.mark.parametrize("archive", ["sftp://bob:hunter22@host/data.csv", "s3://host/data.csv?api_key=hunter22"])
    def test_no_secret_of_such_a_url_is_told(self, manager, posts, archive):
        with pytest.raises(CartoUsageException, match="http, https, ftp") as caught:
            manager.create(archive)
        assert "hunter22" not in str(caught.value)

    def test_a_connection_is_an_object(self, manager, posts):
        with pytest.raises(CartoUsageException, match="dictionary, not str"):
            manager.create(connection="host=db")


OPTIONS = {
    "type_guessing": False, "quoted_fields_guessing": False, "content_guessing": True, "create_vis": True,
    "privacy": "PRIVATE", "collision_strategy": "skip", "table_name": "stores", "append": False,
    "user_defined_limits": {"twitter_credits_limit": 0},
}


class TestOptions:
    def test_D79_with_a_file_they_are_words_in_the_query(self, manager, posts, csv):
        manager.create(csv, **OPTIONS, nothing=None)
        assert posts.options == {
            "type_guessing": "false", "quoted_fields_guessing": "false", "content_guessing": "true",
            "create_vis": "true", "privacy": "PRIVATE", "collision_strategy": "skip", "table_name": "stores",
            "append": "false", "user_defined_limits[twitter_credits_limit]": "0",
        }
        assert posts.part.content == CSV

    def test_D79_with_a_url_they_are_json(self, manager, posts):
        manager.create(URL, **OPTIONS, nothing=None)
        assert posts.document == {"url": URL, **OPTIONS}
        assert posts.options == {}

    def test_the_callers_options_are_not_changed(self, manager, posts, csv):
        options = {"filename": "other.csv", "privacy": "public"}
        manager.create(csv, **options)
        assert posts.part.filename == "other.csv"
        assert options == {"filename": "other.csv", "privacy": "public"}


REFUSALS = [
    (400, {"errors": {"imports": "Unknown value 'x' for 'privacy'."}}, CartoBadRequestException, "Unknown value 'x'"),
    (400, {"errors": {"imports": "Viewer users can't create data imports"}}, CartoBadRequestException, "Viewer users"),
    (401, "", CartoUnauthorizedException, "401"),
    (401, {"errors": "expired"}, CartoUnauthorizedException, "expired"),
    (403, {"error": "lockout"}, CartoException, "lockout"),
    (404, "", CartoNotFoundException, "404"),
    (411, "<html><body><h1>411 Length Required</h1></body></html>", CartoException, "411 Length Required"),
    (413, "<html><h1>413 Request Entity Too Large</h1></html>", CartoException, "413 Request Entity Too Large"),
    (500, {"errors": "boom", "errors_cause": None}, CartoServerException, "boom"),
    (502, "<html><h1>502 Bad Gateway</h1></html>", CartoServerException, "502 Bad Gateway"),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "body", "kind", "text"), REFUSALS)
    @pytest.mark.parametrize("archive", [CSV, None])
    def test_what_the_server_says_is_raised_after_one_post(self, server, status, body, kind, text, archive):
        posts = Posts(server, (status, {}, body if isinstance(body, str) else json.dumps(body)))
        manager = FileImportJobManager(APIKeyAuthClient("https://me.carto.com/", "secret-key"))
        with pytest.raises(kind, match=text) as caught:
            manager.create(archive, **({"filename": "a.csv"} if archive else {"sql": "SELECT 1"}))
        assert caught.value.status_code == status
        assert "secret-key" not in str(caught.value) + repr(caught.value) + caught.value.url
        assert len(posts.requests) == 1

    def test_D15_too_many_imports_are_a_limit(self, manager, server):
        Posts(server, (429, {}, '{"errors": {"imports": "you\'re already using your allowed 3 import slots"}}'))
        with pytest.raises(CartoLimitException, match="3 import slots") as caught:
            manager.create(URL)
        assert caught.value.kind == "imports"

    def test_D15_a_rate_limit_stays_one(self, manager, server):
        Posts(server, (429, {"Retry-After": "9"}, "{}"))
        with pytest.raises(CartoRateLimitException) as caught:
            manager.create(URL)
        assert caught.value.retry_after == 9

    @pytest.mark.parametrize("body", ["", "[]", '{"success": false}'])
    def test_an_answer_without_an_id(self, manager, server, body):
        Posts(server, (200, {}, body))
        with pytest.raises(CartoInvalidResponseException, match="no id of an import"):
            manager.create(URL)


class TestJobs:
    def test_D04_the_running_imports_are_listed(self, manager, server):
        other = "11111111-6f0b-4a52-9a3b-0f3f5f0c1d11"
        server.get(IMPORTS, json={"imports": [ID, other], "success": True})
        server.get(IMPORTS + ID, json=state("importing"))
        server.get(IMPORTS + other, json=state("pending", id=other, queue_id=other))
        assert [(job.get_id(), job.state) for job in manager.all()] == [(ID, "importing"), (other, "pending")]
        assert [job.get_id() for job in manager.filter()] == [ID, other]
        assert [job.get_id() for job in manager.iterate(limit=1)] == [ID]

    def test_no_imports_are_running(self, manager, server):
        server.get(IMPORTS, json={"imports": [], "success": True})
        assert manager.all() == []

    @pytest.mark.parametrize("body", ["{}", "[]", '{"imports": null}'])
    def test_a_list_in_another_form(self, manager, server, body):
        server.get(IMPORTS, body=body)
        with pytest.raises(CartoInvalidResponseException, match="no list of imports"):
            manager.all()

    def test_D05_a_job_is_resumed_by_its_id(self, manager, server, clock):
        server.get(IMPORTS + ID, json=state("importing"))
        server.get(IMPORTS + ID, json=state("complete", success=True, table_name="stores", tables_created_count=1))
        job = manager.get(ID)
        job.wait()
        assert (job.get_id(), job.table_name, job.tables_created_count) == (ID, "stores", 1)

    @pytest.mark.parametrize("status", [404, 500])
    def test_an_id_that_is_unknown(self, manager, server, status):
        server.get(IMPORTS + ID, status=status)
        with pytest.raises(CartoNotFoundException if status == 404 else CartoServerException):
            manager.get(ID)

    def test_a_manager_of_a_subclass_makes_its_objects(self, auth_client, posts, server):
        class Job(FileImportJob):
            pass

        class JobManager(FileImportJobManager):
            resource_class = Job

        server.get(IMPORTS + ID, json=state("importing"))
        manager = JobManager(auth_client)
        assert (type(manager.create(URL)), type(manager.get(ID))) == (Job, Job)

    def test_pickles_are_without_what_was_imported(self, manager, posts, csv):
        with csv.open("rb") as file:
            job = manager.create(file)
            loaded = pickle.loads(pickle.dumps(job))
        assert (loaded, loaded.archive) == (job, None)
        assert pickle.loads(pickle.dumps(FileImportJob(URL, manager.client))).archive == URL

    def test_ids_are_encoded(self, manager, server):
        server.get(IMPORTS + "a%2Fb%3Fc", json=state("pending"))
        assert manager.get("a/b?c").state == "pending"

    def test_a_job_that_was_not_run_cannot_be_read(self, auth_client):
        with pytest.raises(CartoException, match="run or retrieve it first"):
            FileImportJob(URL, auth_client).refresh()


def polled(server, *states):
    """Let a job pass through states, the last one for ever."""
    for each in states:
        server.get(IMPORTS + ID, json=each)


class TestWaiting:
    def test_every_state_until_the_last_is_waited_for(self, manager, posts, server, clock):
        words = ["enqueued", "queued", "pending", "uploading", "unpacking", "importing", "guessing", "geocoding"]
        polled(server, *map(state, words), state("complete", success=True))
        seen = []
        manager.create(URL).wait(on_state=lambda job: seen.append(job.state))
        assert seen == [*words, "complete"]

    def test_D61b_an_unknown_state_is_no_end(self, manager, posts, server, clock):
        polled(server, state("polishing"), state("complete", success=True))
        job = manager.create(URL)
        job.wait()
        assert job.state == "complete"

    def test_D61_a_short_import_costs_little_time(self, manager, posts, server, clock):
        polled(server, state("pending"), state("importing"), state("complete", success=True))
        manager.create(URL).wait()
        assert clock.now < 0.5

    def test_the_deadline_is_that_of_the_module_at_the_call(self, manager, posts, server, clock, monkeypatch):
        polled(server, state("importing"))
        monkeypatch.setattr(file_import, "DEFAULT_WAIT", 30)
        with pytest.raises(CartoJobException, match=r"not finished after 30 seconds \(last state: importing") as caught:
            manager.create(URL).wait()
        assert clock.now == pytest.approx(30)
        assert (caught.value.job_id, caught.value.state) == (ID, "importing")

    def test_D08_a_failure_has_the_servers_code_title_and_advice(self, manager, posts, server, clock):
        advice = 'Please check <a href="http://x">the URL</a> &amp; that 1 < 2.'
        polled(server, failed(1100, "Download file not found", advice, http_response_code="404",
                              http_response_code_message="There is nothing there."))
        with pytest.raises(CartoJobException) as caught:
            manager.create(URL).wait()
        assert str(caught.value) == (
            f"import {ID} failure: error 1100: Download file not found. Please check the URL & that 1 < 2. "
            "The URL answered 404: There is nothing there")
        assert caught.value.reason.startswith("error 1100")
        assert caught.value.job.error_code == 1100

    @pytest.mark.parametrize(("answer", "text"), [
        (state("stuck"), "stuck"),
        (state("failure", error_code=1010, success=False), "failure: error 1010$"),
        (state("failure", success=False), "failure$"),
        (state("failure", error_code=99999, get_error_text="Unknown"), "failure: error 99999: Unknown$"),
        (state("complete", success=False), "complete$"),
    ])
    def test_failures_that_say_less(self, manager, posts, server, clock, answer, text):
        polled(server, answer)
        with pytest.raises(CartoJobException, match=text):
            manager.create(URL).wait()

    def test_a_failure_tells_no_password_of_a_source(self, manager, posts, server, clock):
        polled(server, failed(1018, "No connection", "http://bob:hunter22@db/x.csv?api_key=hunter33 can't be reached"))
        with pytest.raises(CartoJobException, match=r"No connection.* can't be reached$") as caught:
            manager.create(URL).wait()
        assert "hunter" not in str(caught.value) + caught.value.reason

    def test_success_with_a_code_is_success(self, manager, posts, server, clock):
        polled(server, state("complete", success=True, error_code=1022))
        job = manager.create(URL)
        job.wait()
        assert job.error_code == 1022

    def test_what_was_left_out_is_logged(self, manager, posts, server, clock, caplog):
        polled(server, state("complete", success=True, warnings={"rejected_layers": ["lakes"], "user_max_layers": 4}))
        manager.create(URL).wait()
        assert f"import {ID} ended with warnings: {{'rejected_layers': ['lakes']" in caplog.text

    def test_the_log_tells_no_password_of_a_source(self, manager, posts, server, clock, caplog):
        polled(server, state("complete", success=True, warnings={"sources": ["http://bob:hunter22@db/x.csv"]}))
        manager.create(URL).wait()
        assert "http://***@db/x.csv" in caplog.text
        assert "hunter22" not in caplog.text

    def test_success_without_warnings_is_quiet(self, manager, posts, server, clock, caplog):
        polled(server, state("complete", success=True))
        manager.create(URL).wait()
        assert caplog.records == []

    def test_the_network_may_be_away_for_a_while(self, manager, posts, server, clock):
        server.get(IMPORTS + ID, json=state("importing"))
        server.get(IMPORTS + ID, body=requests.ConnectionError("gone"))
        server.get(IMPORTS + ID, status=502)
        server.get(IMPORTS + ID, json=state("complete", success=True))
        job = manager.create(URL)
        job.wait()
        assert job.state == "complete"


@pytest.fixture
def client_of():
    made = []

    def make(server):
        made.append(APIKeyAuthClient(server.url, "secret-key", retries=0, timeout=20))
        return made[-1]

    yield make
    for client in made:
        client.close()


class TestOnTheWire:
    @pytest.mark.usefixtures("no_leaks")
    def test_a_large_file_takes_no_memory(self, client_of, tmp_path):
        size = 100_000_000
        with (tmp_path / "big.csv").open("wb") as file:
            file.truncate(size)
        heads = []

        def handle(peer):
            heads.append(peer.head())
            left = int(heads[0].lower().partition("content-length: ")[2].partition("\r\n")[0])
            while left:
                left -= len(peer.receive())
            peer.answer(STARTED)

        with RawServer(handle) as server:
            manager = FileImportJobManager(client_of(server))
            tracemalloc.start()
            manager.create(tmp_path / "big.csv", privacy="private")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 3_000_000
        assert heads[0].startswith("POST /user/me/api/v1/imports/?privacy=private")
        assert "transfer-encoding" not in heads[0].lower()

    @pytest.mark.usefixtures("no_leaks")
    def test_a_client_that_somebody_else_wrote(self, csv):
        class Client(BaseAuthClient):
            pass

        heads, bodies = [], []

        def handle(peer):
            heads.append(peer.head())
            bodies.append(peer.exactly(int(re.search(r"(?i)content-length: (\d+)", heads[0])[1])))
            peer.answer(STARTED)

        with RawServer(handle) as server:
            client = Client(server.url)
            assert FileImportJobManager(client).create(csv, privacy="public").get_id() == ID
            client.session.close()
        kind = re.search(r"(?i)content-type: ([^\r]+)", heads[0])[1]
        assert parts_of(kind, bodies[0]) == [Part("file", csv.name, CSV)]
        assert heads[0].startswith("POST /user/me/api/v1/imports/?privacy=public")

    @pytest.mark.usefixtures("no_leaks")
    def test_a_refusal_before_the_end_is_raised_at_once(self, client_of, tmp_path):
        with (tmp_path / "big.csv").open("wb") as file:
            file.truncate(500_000_000)

        def handle(peer):
            peer.head()
            page = b"<html><body><h1>413 Request Entity Too Large</h1></body></html>"
            peer.send(b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\nConnection: close\r\n"
                      b"Content-Length: %d\r\n\r\n%b" % (len(page), page))
            peer.hold()

        with RawServer(handle) as server, pytest.raises(CartoException, match="Request Entity Too Large") as caught:
            FileImportJobManager(client_of(server)).create(tmp_path / "big.csv")
        assert caught.value.status_code == 413
