"""Uploads meet servers that answer early, stop reading, or go away."""

import gzip
import os
import threading
import time

import pytest
import requests
import urllib3

from carto._http import upload
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoConnectionException,
    CartoForbiddenException,
    CartoRateLimitException,
    CartoTimeoutException,
)
from carto.sql import CopySQLClient, SQLClient
from tests.unit.raw_server import RawServer

QUERY = "COPY t FROM STDIN"
DONE = {"time": 0.1, "total_rows": 1}
REFUSED = {"error": ["relation does not exist"]}
#: Bytes that gzip can't make smaller.
NOISE = os.urandom(1_000_000)

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(params=["plain", "gzip"])
def compress(request):
    return request.param == "gzip"


@pytest.fixture(params=["http", "https"])
def context(request):
    """The TLS of a server, or None for a plain one."""
    return request.getfixturevalue("tls") if request.param == "https" else None


@pytest.fixture
def client_of():
    """Make clients that are closed after the test."""
    made = []

    def make(server, **options):
        made.append(APIKeyAuthClient(server.url, "secret-key", **{"retries": 0, "timeout": 10, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


def endless_data():
    """More than any buffer between two sockets takes; it ends in case nobody stops it."""
    for _ in range(200):
        yield NOISE


class Clock:
    """When a server answered."""

    answered = 0.0

    def refuse(self, peer):
        self.answered = time.monotonic()
        peer.answer(REFUSED, "400 Bad Request")

    def since(self):
        return time.monotonic() - self.answered


def test_an_early_refusal_arrives_although_the_server_stopped_reading(context, compress, client_of):
    clock = Clock()

    def handle(peer):
        peer.head()
        peer.exactly(100_000)
        clock.refuse(peer)
        peer.hold()

    with RawServer(handle, context) as server, pytest.raises(CartoBadRequestException, match="does not exist"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress)
    assert clock.since() < 1


def test_an_early_refusal_arrives_although_the_server_goes_on_reading(context, compress, client_of):
    clock = Clock()

    def handle(peer):
        peer.head()
        clock.refuse(peer)
        peer.to_the_end()

    with RawServer(handle, context) as server, pytest.raises(CartoBadRequestException, match="does not exist"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress)
    assert clock.since() < 1


def test_an_early_refusal_arrives_although_the_connection_is_closed_behind_it(context, compress, client_of):
    def handle(peer):
        peer.head()
        peer.exactly(300_000)
        peer.answer(REFUSED, "400 Bad Request")
        peer.socket.close()  # with data unread: the other side gets a reset

    with RawServer(handle, context) as server, pytest.raises(CartoBadRequestException, match="does not exist"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress)


def test_an_early_refusal_arrives_while_the_producer_is_slow(context, compress, client_of):
    clock = Clock()

    def slow_rows():
        for _ in range(400):
            time.sleep(0.02)
            yield "1,one\n"

    def handle(peer):
        peer.head()
        peer.exactly(20)
        clock.refuse(peer)
        peer.hold()

    with RawServer(handle, context) as server, pytest.raises(CartoBadRequestException):
        CopySQLClient(client_of(server)).copyfrom(QUERY, slow_rows(), compress)
    assert clock.since() < 1


def test_a_connection_with_half_a_request_is_not_used_again(context, client_of):
    def handle(peer):
        head = peer.head()
        if "/copyfrom" in head:
            peer.receive()
            peer.answer(REFUSED, "400 Bad Request")
            peer.hold()
        while head:
            peer.exactly(10)  # q=select+1
            peer.answer({"rows": [], "fields": {}, "total_rows": 0, "time": 0})
            head = peer.head()

    with RawServer(handle, context) as server:
        client = client_of(server)
        with pytest.raises(CartoBadRequestException):
            CopySQLClient(client).copyfrom(QUERY, endless_data(), compress=False)
        assert server.connections == 1
        assert SQLClient(client).send("select 1")["total_rows"] == 0
        assert SQLClient(client).send("select 1")["total_rows"] == 0
        assert server.connections == 2
        client.close()


def test_a_whole_upload_arrives_as_it_is_and_leaves_its_connection_usable(context, compress, client_of):
    bodies, heads = [], []

    def handle(peer):
        while True:
            heads.append(peer.head())
            bodies.append(peer.chunked_body())
            peer.answer(DONE)

    data = [NOISE, b"", bytearray(b"more"), memoryview(b"and more"), "ñ\n"]
    with RawServer(handle, context) as server:
        copy = CopySQLClient(client_of(server))
        assert copy.copyfrom(QUERY, data, compress) == DONE
        assert copy.copyfrom(QUERY, data, compress) == DONE
        assert server.connections == 1
        copy.client.close()
    assert len(bodies) == 2
    for head, body in zip(heads, bodies, strict=True):
        assert (gzip.decompress(body) if compress else body) == NOISE + b"moreand more\xc3\xb1\n"
        lines = head.lower().split("\r\n")
        assert "post /user/me/api/v2/sql/copyfrom?q=copy+t+from+stdin" in lines[0]
        assert "transfer-encoding: chunked" in lines
        assert "content-type: application/octet-stream" in lines
        assert not any(line.startswith("content-length") for line in lines)
        assert ("content-encoding: gzip" in lines) is compress


def test_an_interim_answer_does_not_end_an_upload(context, client_of):
    bodies = []

    def handle(peer):
        peer.head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        bodies.append(peer.chunked_body())
        peer.answer(DONE)

    with RawServer(handle, context) as server:
        assert CopySQLClient(client_of(server)).copyfrom(QUERY, [NOISE] * 3, compress=False) == DONE
    assert bodies == [NOISE * 3]


def test_a_final_answer_right_behind_an_interim_one_does(client_of):
    def handle(peer):
        peer.head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\n"
                  b'{"error":["not"]}')
        peer.hold()

    with RawServer(handle) as server, pytest.raises(CartoForbiddenException, match="not"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress=False)


def test_an_answer_that_comes_in_parts_is_read_whole(context, client_of):
    def handle(peer):
        peer.head()
        peer.receive()
        for part in (b"HTT", b"P/1.1 403 Forbidden\r\nContent-Le", b'ngth: 17\r\n\r\n{"error":', b'["not"]}'):
            peer.send(part)
            time.sleep(0.02)
        peer.hold()

    with RawServer(handle, context) as server, pytest.raises(CartoForbiddenException, match="not"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress=False)


def test_a_server_that_neither_reads_nor_answers_runs_into_the_timeout(context, compress, client_of):
    def handle(peer):
        peer.head()
        peer.hold()

    started = time.monotonic()
    with RawServer(handle, context) as server, pytest.raises(CartoTimeoutException, match=r"timeout=") as caught:
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress, timeout=(5, 0.4))
    assert 0.4 <= time.monotonic() - started < 3
    assert "took no more of the upload" in str(caught.value)


@pytest.mark.parametrize(("timeout", "seconds"), [
    (urllib3.Timeout(0.2), 0.2), (urllib3.Timeout(connect=5, read=0.2), 0.2), (urllib3.Timeout(5, read=0.2), 0.2)])
def test_a_timeout_of_urllib3_ends_an_upload(timeout, seconds, client_of):
    def handle(peer):
        peer.head()
        peer.hold()

    with RawServer(handle) as server, pytest.raises(CartoTimeoutException, match=f"took no more .* for {seconds} sec"):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress=False, timeout=timeout)


@pytest.mark.parametrize(("timeout", "seconds"), [
    (urllib3.Timeout(connect=5), None), (urllib3.Timeout(connect=5, read=None), None), ((5, 3), 3), (4, 4),
    (None, None)])
def test_the_part_of_a_timeout_that_is_for_reading(timeout, seconds):
    assert upload._read_part(timeout) == seconds


def test_the_timeout_is_for_a_pause_and_not_for_the_whole(client_of):
    def handle(peer):
        peer.head()
        for _ in range(8):
            peer.exactly(500_000)
            time.sleep(0.1)
        peer.to_the_end()

    def data():
        for _ in range(16):
            yield NOISE
        raise FarEnough

    class FarEnough(Exception):
        pass

    with RawServer(handle) as server, pytest.raises(FarEnough):
        CopySQLClient(client_of(server)).copyfrom(QUERY, data(), compress=False, timeout=0.5)


def test_a_server_that_goes_away_without_an_answer(context, compress, client_of):
    def handle(peer):
        peer.head()
        peer.exactly(300_000)
        peer.socket.close()

    with RawServer(handle, context) as server, pytest.raises(CartoConnectionException):
        CopySQLClient(client_of(server)).copyfrom(QUERY, endless_data(), compress)


@pytest.mark.parametrize("failure", [
    ValueError("no more rows"), OSError(5, "disk on fire"), BrokenPipeError(32, "my own pipe"),
    ConnectionResetError(104, "my own source"), TimeoutError("my own timeout"),
    requests.ConnectionError("my own download"),
], ids=lambda failure: type(failure).__name__)
def test_the_producers_own_exception_is_what_the_caller_sees(failure, compress, client_of):
    broken_off = threading.Event()

    def handle(peer):
        peer.head()
        try:
            peer.chunked_body()
        except EOFError:
            broken_off.set()

    class Rows:
        def __init__(self):
            self.left = 3

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left:
                return NOISE
            raise failure

    with RawServer(handle) as server:
        with pytest.raises(type(failure)) as caught:
            CopySQLClient(client_of(server, retries=2)).copyfrom(QUERY, Rows(), compress)
        assert caught.value is failure
        assert broken_off.wait(5)
        assert server.connections == 1


LIMITED = "429 Too Many Requests"


def test_a_path_is_sent_again_from_its_beginning_after_a_rate_limit(tmp_path, client_of):
    file = tmp_path / "rows.csv"
    file.write_bytes(NOISE * 30)  # more than the buffers between the sockets take
    bodies = []

    def handle(peer):
        peer.head()
        if not bodies:
            bodies.append(peer.exactly(200_000))
            peer.answer({"error": ["limits"]}, LIMITED, "Retry-After: 0\r\n")
            return peer.hold()
        bodies.append(peer.chunked_body())
        return peer.answer(DONE)

    with RawServer(handle) as server:
        copy = CopySQLClient(client_of(server, retries=1))
        assert copy.copyfrom_file_path(QUERY, file, compress=False) == DONE
    assert bodies[1] == NOISE * 30


def test_a_file_is_sent_again_from_where_it_was(client_of, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(b"header\n" + NOISE)
    bodies = []

    def handle(peer):
        while peer.head():
            bodies.append(peer.chunked_body())
            if len(bodies) == 1:
                peer.answer({"error": ["limits"]}, LIMITED, "Retry-After: 0\r\n")
            else:
                peer.answer(DONE)

    with RawServer(handle) as server, file.open("rb") as source:
        source.readline()
        assert CopySQLClient(client_of(server, retries=1)).copyfrom_file_object(QUERY, source, False) == DONE
    assert bodies == [NOISE, NOISE]


def test_a_generator_is_never_sent_again(client_of):
    requests_seen = []

    def handle(peer):
        requests_seen.append(peer.head())
        peer.answer({"error": ["limits"]}, LIMITED, "Retry-After: 0\r\n")
        peer.hold()

    with RawServer(handle) as server, pytest.raises(CartoRateLimitException):
        CopySQLClient(client_of(server, retries=5)).copyfrom(QUERY, endless_data())
    assert len(requests_seen) == 1


def test_a_broken_upload_is_never_sent_again(client_of, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(NOISE)

    def handle(peer):
        peer.head()
        peer.chunked_body()
        peer.socket.close()

    with RawServer(handle) as server:
        with pytest.raises(CartoConnectionException):
            CopySQLClient(client_of(server, retries=5)).copyfrom_file_path(QUERY, file)
        assert server.connections == 1


def test_an_early_refusal_comes_through_a_proxy(client_of, monkeypatch):
    heads = []

    def handle(peer):
        heads.append(peer.head())
        peer.receive()
        peer.answer(REFUSED, "400 Bad Request")
        peer.hold()

    with RawServer(handle) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        with pytest.warns(UserWarning, match="unencrypted"):
            client = APIKeyAuthClient("http://carto.invalid/user/me/", "secret-key", retries=0, timeout=10)
        with client, pytest.raises(CartoBadRequestException, match="does not exist"):
            CopySQLClient(client).copyfrom(QUERY, endless_data())
    assert heads[0].startswith("POST http://carto.invalid/user/me/api/v2/sql/copyfrom?q=")


def test_an_early_refusal_comes_through_the_tunnel_of_a_proxy(tls, monkeypatch):
    def handle(peer):
        assert peer.head().startswith("CONNECT 127.0.0.1:")
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer.start_tls(tls)
        peer.head()
        peer.receive()
        peer.answer(REFUSED, "400 Bad Request")
        peer.hold()

    with RawServer(handle) as proxy:
        monkeypatch.setenv("https_proxy", proxy.origin)
        monkeypatch.setenv("no_proxy", "")
        client = APIKeyAuthClient("https://127.0.0.1:1/user/me/", "secret-key", retries=0)
        with client, pytest.raises(CartoBadRequestException, match="does not exist"):
            CopySQLClient(client).copyfrom(QUERY, endless_data())


def test_other_requests_take_the_plain_path(client_of, monkeypatch):
    def refuse_to_watch(*_arguments):
        raise AssertionError("a small request was watched")

    def handle(peer):
        peer.head()
        peer.answer({"rows": [], "fields": {}, "total_rows": 0, "time": 0})
        peer.hold()

    monkeypatch.setattr(upload, "_send_watching", refuse_to_watch)
    with RawServer(handle) as server:
        assert SQLClient(client_of(server)).send("select 1")["rows"] == []


@pytest.fixture
def session():
    """A session of the caller's own."""
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        yield session


def test_a_session_of_the_callers_own_uploads_too(context, compress, session):
    bodies, heads, answers = [], [], []
    session.hooks["response"].append(lambda response, **_: answers.append(response.status_code))

    def handle(peer):
        heads.append(peer.head())
        bodies.append(peer.chunked_body())
        peer.answer(DONE, headers="Set-Cookie: seen=1\r\n")
        peer.hold()

    adapters = dict(session.adapters)
    with RawServer(handle, context) as server:
        client = APIKeyAuthClient(server.url, "secret-key", session=session, timeout=10)
        assert CopySQLClient(client).copyfrom(QUERY, [NOISE], compress) == DONE
    assert (gzip.decompress(bodies[0]) if compress else bodies[0]) == NOISE
    assert "X-Mine: yes" in heads[0]
    assert session.cookies["seen"] == "1"
    assert answers == [200]
    assert session.adapters == adapters


def test_an_early_refusal_reaches_a_session_of_the_callers_own(context, compress, session):
    clock = Clock()

    def handle(peer):
        peer.head()
        peer.exactly(100_000)
        clock.refuse(peer)
        peer.hold()

    with RawServer(handle, context) as server:
        copy = CopySQLClient(APIKeyAuthClient(server.url, "secret-key", session=session, timeout=10))
        with pytest.raises(CartoBadRequestException, match="does not exist"):
            copy.copyfrom(QUERY, endless_data(), compress)
    assert clock.since() < 1


def test_an_adapter_of_the_callers_own_is_used(session):
    sent = []

    class Mine(requests.adapters.HTTPAdapter):
        def send(self, request, **kwargs):
            sent.append(request.url)
            return super().send(request, **kwargs)

    def handle(peer):
        peer.head()
        peer.chunked_body()
        peer.answer(DONE)
        peer.hold()

    session.mount("http://", Mine())
    with RawServer(handle) as server:
        client = APIKeyAuthClient(server.url, "secret-key", session=session, timeout=10)
        assert CopySQLClient(client).copyfrom(QUERY, [NOISE]) == DONE
    assert len(sent) == 1
