"""Sending: what is sent again and what never, timeouts, redirects, sessions, proxies, TLS, threads and leaks."""

import contextlib
import email.utils
import errno
import gc
import http.client
import io
import json
import logging
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from carto._http import session as session_module
from carto._http.retry import MAX_WAIT, Retries, never_connected
from carto._http.session import PooledAdapter, is_replayable, same_origin, shared_ssl_context
from carto.auth import APIKeyAuthClient, NoAuthClient, NonVerifiedAPIKeyAuthClient
from carto.exceptions import (
    CartoConnectionException,
    CartoException,
    CartoLimitException,
    CartoRateLimitException,
    CartoResponseException,
    CartoTimeoutException,
    CartoUsageException,
)
from tests.unit.scripted_server import OK, ScriptedServer, scripted, status, unused_port

CLOUD = "https://me.carto.com/"
LIMITED = status(429, "Retry-After: 1")
DROPPED = [b"RESET", b"CLOSE", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{RESET",
           b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{CLOSE",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" + b"CLOSE"]


@pytest.fixture(autouse=True)
def without_proxy_variables(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def waits(monkeypatch):
    """Collect the seconds of waiting between attempts, instead of spending them."""
    seconds = []
    monkeypatch.setattr("carto._http.retry.time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def no_jitter(monkeypatch):
    monkeypatch.setattr("carto._http.retry.random", SimpleNamespace(uniform=lambda low, high: low))


@contextlib.contextmanager
def client_of(server, cls=NoAuthClient, **options):
    with cls(server.base_url, **options) as client:
        yield client


# --- what is sent again


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
@pytest.mark.usefixtures("no_jitter")
def test_a_rate_limit_is_waited_for(waits, method):
    with scripted(status(429, "Retry-After: 3"), status(429, "Retry-After: 2.5"), OK) as server:
        with client_of(server) as client:
            assert client.send("x", method, data={"q": "select 1"}).status_code == 200
        assert waits == [3, 3]
        assert len(server.requests) == 3
        assert {request.partition(b"\r\n\r\n")[2] for request in server.requests} == {b"q=select+1"}
        assert server.connections == 1


def test_a_rate_limit_that_stays_is_raised_after_three_attempts(waits):
    limited = status(429, "Retry-After: 2\nCarto-Rate-Limit-Limit: 5", b'{"error": ["slow down"]}')
    with scripted(limited) as server, client_of(server) as client:
        with pytest.raises(CartoRateLimitException, match="slow down") as caught:
            client.send("x", "get")
        assert (caught.value.retry_after, caught.value.limit) == (2, 5)
        assert len(server.requests) == 3
    assert len(waits) == 2
    assert all(2 <= wait <= 2.5 for wait in waits)


def test_a_retry_after_that_is_a_date(waits):
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    with scripted(status(429, f"Retry-After: {date}"), OK) as server, client_of(server) as client:
        assert client.send("x", "get").ok
    assert 10 < waits[0] <= 25


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_the_number_of_retries_is_the_clients(waits, retries):
    with scripted(LIMITED) as server, client_of(server, retries=retries) as client:
        with pytest.raises(CartoRateLimitException):
            client.send("x", "get", idempotent=True)
        assert len(server.requests) == retries + 1
    assert len(waits) == retries


@pytest.mark.usefixtures("no_jitter")
def test_waiting_has_a_budget_of_a_minute(waits):
    answers = [status(429, "Retry-After: 40"), status(429, "Retry-After: 21"), OK]
    with (scripted(*answers) as server, client_of(server, retries=9) as client,
          pytest.raises(CartoRateLimitException) as caught):
        client.send("x", "get")
    assert caught.value.retry_after == 21
    assert waits == [40]


def test_a_retry_after_beyond_the_budget_raises_at_once(waits):
    with scripted(status(429, "Retry-After: 61")) as server, client_of(server) as client:
        with pytest.raises(CartoRateLimitException):
            client.send("x", "get")
        assert len(server.requests) == 1
    assert waits == []


def test_a_retry_after_of_all_of_the_budget_is_waited_for(waits):
    with scripted(status(429, "Retry-After: 60"), OK) as server, client_of(server) as client:
        assert client.send("x", "get").ok
    assert waits == [MAX_WAIT]


def test_many_clients_do_not_come_back_together():
    outcome = requests.Response()
    outcome.status_code, outcome.headers["Retry-After"], outcome.raw = 429, "8", urllib3.HTTPResponse(b"")
    waited = {Retries(2, True, False).wait_after(outcome) for _ in range(20)}
    assert len(waited) > 10
    assert all(8 <= wait <= 10 for wait in waited)


@pytest.mark.parametrize("code", [502, 503, 504])
@pytest.mark.usefixtures("no_jitter")
def test_an_unavailable_server_is_asked_again_only_when_that_is_safe(waits, code):
    with scripted(status(code), status(code, "Retry-After: 4"), OK) as server, client_of(server) as client:
        assert client.send("x", "post", data={"q": "1"}, idempotent=True).status_code == 200
        assert len(server.requests) == 3
    assert waits == [0.5, 4]
    for method in ("get", "post", "delete"):
        with scripted(status(code), OK) as server, client_of(server) as client:
            assert client.send("x", method).status_code == code
            assert len(server.requests) == 1
    with scripted(status(code)) as server, client_of(server) as client:
        assert client.send("x", "get", idempotent=True).status_code == code
        assert len(server.requests) == 3


@pytest.mark.parametrize("text", DROPPED)
def test_a_broken_connection_is_tried_again_only_when_that_is_safe(waits, text):
    with scripted(text, text, OK) as server, client_of(server) as client:
        assert client.send("x", "post", data={"q": "1"}, idempotent=True).status_code == 200
        assert len(server.requests) == 3
    with scripted(text, OK) as server, client_of(server) as client:
        with pytest.raises(CartoConnectionException):
            client.send("x", "get")
        assert len(server.requests) == 1
    assert len(waits) == 2


@pytest.mark.parametrize("text", DROPPED)
def test_a_broken_connection_is_raised_as_one(waits, text):
    with scripted(text) as server, client_of(server) as client:
        with pytest.raises(CartoConnectionException) as caught:
            client.send("x", "get")
        assert len(server.requests) == 1
    assert isinstance(caught.value.args[0], requests.RequestException)
    assert caught.value.__cause__ is caught.value.args[0]
    assert caught.value.__context__ is None


def test_a_connection_never_made_is_tried_again_for_whatever_can_be_replayed(waits):
    for method in ("get", "post"):
        with (unused_port() as port, NoAuthClient(f"http://127.0.0.1:{port}/user/me") as client,
              pytest.raises(CartoConnectionException)):
            client.send("x", method, data={"q": "1"})
    assert len(waits) == 4


def test_a_connection_never_made_is_told_in_plain_words():
    with (unused_port() as port, NoAuthClient(f"http://127.0.0.1:{port}/user/me", retries=0) as client,
          pytest.raises(CartoConnectionException) as caught):
        client.send("x", "get")
    assert str(caught.value) == (
        f"no connection to 127.0.0.1:{port}: Failed to establish a new connection: "
        f"[Errno {errno.ECONNREFUSED}] Connection refused")


def test_a_server_that_hangs_up_is_told_in_plain_words():
    with scripted(b"CLOSE") as server, client_of(server) as client, pytest.raises(CartoConnectionException) as caught:
        client.send("x", "get")
    assert str(caught.value) == "Connection aborted: Remote end closed connection without response"


def test_an_answer_that_does_not_come_is_told_in_plain_words():
    with scripted(b"STALL") as server, client_of(server) as client, pytest.raises(CartoTimeoutException) as caught:
        client.send("x", "get", timeout=0.1)
    assert re.match(r"127\.0\.0\.1:\d+: Read timed out\. \(read timeout=0\.1\)\. The timeout was 0\.1 seconds",
                    str(caught.value))


def test_a_proxy_that_is_not_there_is_a_connection_never_made(waits, monkeypatch):
    with unused_port() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        with (NoAuthClient("http://me.example.org/") as client,
              pytest.raises(CartoConnectionException, match=r"(Unable to connect|Cannot connect) to proxy: ")):
            client.send("x", "post", data={"q": "1"})
    assert len(waits) == 2


@pytest.mark.parametrize("code", [400, 401, 403, 404, 408, 409, 422, 429, 500, 501])
def test_other_answers_are_never_asked_for_again(waits, code):
    with scripted(status(code)) as server, client_of(server) as client:
        assert client.send("x", "get", idempotent=True).status_code == code
        assert len(server.requests) == 1
    assert waits == []


@pytest.mark.parametrize("error", [
    requests.exceptions.SSLError("bad certificate"), requests.exceptions.ContentDecodingError("bad gzip"),
    requests.exceptions.InvalidURL("bad"), requests.exceptions.TooManyRedirects("many"),
])
def test_other_failures_are_never_tried_again(waits, error):
    with responses.RequestsMock() as server:
        server.add("GET", f"{CLOUD}x", body=error)
        with pytest.raises(CartoException):
            NoAuthClient(CLOUD).send("x", "get", idempotent=True)
        assert len(server.calls) == 1
    assert waits == []


@pytest.mark.parametrize(("error", "expected"), [
    (requests.ConnectTimeout(), True),
    (requests.ConnectionError(urllib3.exceptions.MaxRetryError(
        None, "/", urllib3.exceptions.NewConnectionError(None, "no such host"))), True),
    (requests.ConnectionError(urllib3.exceptions.MaxRetryError(
        None, "/", urllib3.exceptions.ProtocolError("reset"))), False),
    (requests.ConnectionError(), False), (requests.ReadTimeout(), False), (requests.ConnectionError("text"), False),
])
def test_never_connected(error, expected):
    assert never_connected(error) is expected


# --- bodies


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("place", ["data", "files"])
def test_files_are_sent_again_from_where_they_began(place, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"skipped,the data")
    with scripted(LIMITED, LIMITED, OK) as server, client_of(server) as client, path.open("rb") as file:
        file.seek(8)
        body = file if place == "data" else {"file": ("data.csv", file)}
        assert client.send("x", "post", **{place: body}).ok
        bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    assert len(bodies) == 3
    assert all(b"the data" in body and b"skipped" not in body for body in bodies)


@pytest.mark.parametrize("data", [
    lambda: iter([b"a"]), lambda: (piece for piece in [b"a"]), lambda: map(bytes, [b"a"]),
], ids=["iterator", "generator", "map"])
def test_generators_are_never_sent_again(waits, data):
    with scripted(LIMITED, OK) as server, client_of(server) as client:
        with pytest.raises(CartoRateLimitException):
            client.send("x", "post", data=data(), idempotent=True)
        assert len(server.requests) == 1
    assert waits == []


class Pipe(io.RawIOBase):
    def __init__(self):
        self.rest = [b"a"]

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:1] = self.rest[0] if self.rest else b"\0"
        return 1 if self.rest and self.rest.pop() else 0


def test_a_stream_that_cannot_seek_is_never_sent_again(waits):
    with scripted(LIMITED, OK) as server, client_of(server) as client:
        with pytest.raises(CartoRateLimitException):
            client.send("x", "post", data=Pipe())
        assert len(server.requests) == 1
    assert waits == []


@pytest.mark.parametrize(("data", "expected"), [
    (None, True), ("text", True), (b"bytes", True), ({"q": "1"}, True), ([("q", "1")], True), (io.BytesIO(b"x"), True),
    ({"file": ("name", io.BytesIO())}, True), ([("file", io.BytesIO())], True), (iter([]), False),
    ({"file": ("name", Pipe())}, False), (SimpleNamespace(read=None), False), ([b"a", b"b"], True),
])
def test_is_replayable(data, expected):
    assert is_replayable(data) is expected


def test_a_json_body_is_sent_again(waits):
    with scripted(LIMITED, OK) as server, client_of(server) as client:
        assert client.send("x", "put", json={"a": 1}).ok
        bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert bodies == [{"a": 1}] * 2
    assert len(waits) == 1


# --- timeouts


def test_a_stalled_answer_ends_in_a_timeout_that_names_the_setting(waits):
    for text in (b"STALL", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{STALL"):
        with scripted(text) as server, client_of(server, timeout=0.1) as client:
            with pytest.raises(CartoTimeoutException, match="timed out") as caught:
                client.send("x", "get")
            assert "timeout was 0.1 seconds" in str(caught.value)
            assert "timeout=" in str(caught.value)
            assert len(server.requests) == 1
    assert waits == []


def test_a_read_timeout_is_tried_again_only_when_that_is_safe(waits):
    with scripted(b"STALL", OK) as server, client_of(server) as client:
        assert client.send("x", "get", timeout=0.1, idempotent=True).ok
    assert len(waits) == 1


def test_a_connection_that_is_not_accepted_ends_in_a_timeout(waits):
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            pending = waiting.enter_context(socket.socket())
            pending.setblocking(False)
            pending.connect_ex(full.getsockname())
        with (NoAuthClient(f"http://127.0.0.1:{full.getsockname()[1]}/user/me", timeout=(0.05, 9)) as client,
              pytest.raises(CartoTimeoutException, match=r"\(0.05, 9\)") as caught):
            client.send("x", "post", data={"q": "1"})
    assert isinstance(caught.value.args[0], requests.ConnectTimeout)
    assert len(waits) == 2


def sent_timeout(client, **options):
    with (mock.patch.object(client.session, "send", side_effect=requests.ConnectionError) as send,
          contextlib.suppress(CartoException)):
        client.send("x", "get", **options)
    return send.call_args.kwargs["timeout"]


def test_the_timeout_of_a_call_goes_before_the_clients_and_that_before_the_default():
    assert sent_timeout(NoAuthClient(CLOUD)) == (10, 60)
    assert sent_timeout(NoAuthClient(CLOUD, timeout=5)) == 5
    assert sent_timeout(NoAuthClient(CLOUD, timeout=None)) is None
    assert sent_timeout(NoAuthClient(CLOUD, timeout=5), timeout=(1, None)) == (1, None)
    assert sent_timeout(NoAuthClient(CLOUD, timeout=5), timeout=None) is None


@pytest.mark.parametrize("timeout", ["5", 0, -1, (1, 2, 3), (1, "2"), [1, 2], float("nan"), 1e300, object()])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(CartoUsageException, match="timeout is a number of seconds"):
        NoAuthClient(CLOUD).send("x", "get", timeout=timeout)


# --- redirects


def redirect(target, code=302):
    return status(code, f"Location: {target}", b"")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_read_follows_a_redirect_at_home(code):
    with scripted(redirect("/elsewhere?a=b", code), OK) as server:
        with APIKeyAuthClient(server.base_url, "the key") as client:
            response = client.send("x", "get", params={"q": "1"})
        assert response.status_code == 200
        assert [request.partition(b" HTTP")[0] for request in server.requests] == [
            b"GET /user/me/x?q=1&client=cps-2.0.0", b"GET /elsewhere?a=b"]
        assert all(b"Authorization: Basic" in request for request in server.requests)
        assert [answered.status_code for answered in response.history] == [code]
        assert server.connections == 1


@pytest.mark.parametrize(("target", "reason"), [
    ("http://other.example/", "another host"), ("//other.example/x", "another host"),
    ("https://127.0.0.1/x", "another host"), ("http://127.0.0.1:1/x", "another host"),
    ("http://[broken", "another host"), ("http://127.0.0.1:port/", "another host"),
    ("ftp://127.0.0.1/", "another host"),
    ("http://other.example\\@127.0.0.1/", "another host"),
    ("http://other.example/?api_key=SECRET", "another host"),
])
@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own session", "the caller's"])
def test_a_redirect_to_another_origin_is_refused(target, reason, session):
    with scripted(redirect(target)) as server, APIKeyAuthClient(server.base_url, "the key", session=session) as client:
        for stream in (False, True):
            with pytest.raises(CartoResponseException, match=reason) as caught:
                client.send("x", "get", stream=stream)
            assert caught.value.status_code == 302
            assert "SECRET" not in str(caught.value)
        assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_write_is_not_sent_elsewhere(method):
    with scripted(redirect("/elsewhere", 307), OK) as server, client_of(server) as client:
        with pytest.raises(CartoResponseException, match=rf"{method.upper()} is not sent again elsewhere.*base_url"):
            client.send("x", method, data={"q": "1"})
        assert len(server.requests) == 1


def test_a_circle_of_redirects_ends():
    with scripted(redirect("/again")) as server, client_of(server) as client:
        with pytest.raises(CartoResponseException, match="one too many"):
            client.send("x", "get")
        assert len(server.requests) == 6


def test_the_clients_session_itself_follows_redirects_as_any_does():
    with scripted(redirect("/elsewhere"), OK) as server, client_of(server) as client:
        response = client.session.get(server.base_url)
        assert (response.status_code, len(response.history)) == (200, 1)


@pytest.mark.parametrize("target", ["http://other.example/", "http://[broken"])
def test_a_caller_may_ask_for_the_redirect_itself(target):
    with scripted(redirect(target)) as server, client_of(server) as client:
        response = client.send("x", "post", allow_redirects=False)
        assert response.status_code == 302
        assert response.request.hooks == {"response": []}


def test_an_error_of_a_hook_is_its_own():
    def fail(_response, **_settings):
        raise ValueError("of the hook")

    with scripted(redirect("/elsewhere"), OK) as server, client_of(server) as client, pytest.raises(
            ValueError, match="of the hook"):
        client.send("x", "get", hooks={"response": fail})


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("https://h/", "https://H:443/x", True), ("http://h/", "http://h:80/", True), ("https://h/", "http://h/", False),
    ("https://h/", "https://h:444/", False), ("https://h/", "https://h.example/", False), ("https://h/", "/x", False),
    ("https://h/", "https://h:port/", False), ("https://h/", "https://evil\\@h/", False),
    ("https://[::1]/", "https://[::1]/", True),
])
def test_same_origin(one, other, expected):
    assert same_origin(one, other) is expected


# --- the caller's session: hooks, cookies, adapters, mocks


def test_what_a_session_adds_is_sent():
    session = requests.Session()
    session.headers["X-Session"] = "yes"
    session.params = {"from": "session"}
    session.cookies.set("name", "value")
    seen = []
    session.hooks["response"].append(lambda response, *args, **kwargs: seen.append(response.status_code))
    with scripted(OK) as server, client_of(server, session=session) as client, session:
        client.send("x", "get")
        client.send("x", "get", hooks={"response": lambda response, **kwargs: seen.append("call")})
        request = server.requests[0]
    assert b"X-Session: yes" in request
    assert b"from=session" in request
    assert b"Cookie: name=value" in request
    assert seen == [200, "call"]


@pytest.mark.parametrize("change", [
    {"headers": {"X-Session": "yes", "user-agent": "theirs"}}, {"headers": {"Accept": None}}, {"params": {"a": "b"}},
    {"auth": ("u", "p")}, {},
])
@pytest.mark.parametrize("args", [
    {}, {"data": {"q": "select 'ö' & + %"}}, {"data": {}}, {"params": {"q": "select 'ö' ~ & + %"}}, {"json": {"a": 1}},
    {"headers": {"Content-Type": "text/x"}, "data": {"a": "b"}}, {"headers": {"X": None}}, {"data": {"a": ["1", "2"]}},
    {"data": b"bytes"}, {"data": "text"}, {"params": "a=b"}, {"params": {"a": 1}}, {"data": [("a", "b")]},
    {"files": {"f": b"x"}}, {"data": {"a": None}}, {"params": {"a": None}}, {"headers": {"X": b"bytes"}},
    {"cookies": {"c": "d"}},
])
@pytest.mark.parametrize("method", ["get", "post"])
def test_requests_are_prepared_as_requests_does(change, args, method):
    session = requests.Session()
    for name, value in change.items():
        getattr(session, name).update(value) if name == "headers" else setattr(session, name, value)
    client = APIKeyAuthClient("https://h.example/user/mé%20e/", "key", session=session)
    verb, prepared_args = client.prepare_send(method, **args)
    url = f"{client.base_url}x y/ü"
    ours = session_module.prepare(session, verb, url, prepared_args)
    theirs = session.prepare_request(requests.Request(verb.upper(), url, **prepared_args))
    if "files" in args:  # the boundary is random
        theirs.body, theirs.headers["Content-Type"] = ours.body, ours.headers["Content-Type"]
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
    assert dict(ours.headers.lower_items()) == dict(theirs.headers.lower_items())
    assert ours.hooks == theirs.hooks
    assert ours._cookies.get_dict() == theirs._cookies.get_dict()
    again = session_module.prepare(session, verb, url, prepared_args)
    assert again.headers is not ours.headers
    assert again._cookies is not ours._cookies


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@given(TEXT.filter(lambda path: not set("?#") & set(path)), st.dictionaries(TEXT, TEXT, max_size=3),
       st.dictionaries(TEXT, TEXT, max_size=3), st.sampled_from(["get", "post", "put", "delete"]))
@settings(deadline=None)
def test_any_text_is_prepared_as_requests_does(path, params, data, method):
    args = {"params": params, "data": data, "auth": HTTPBasicAuth("me", "key"), "headers": {"X": "y"}}
    with requests.Session() as session:
        ours = session_module.prepare(session, method, f"{CLOUD}{path}", args)
        theirs = session.prepare_request(requests.Request(method.upper(), f"{CLOUD}{path}", **args))
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
    assert dict(ours.headers.lower_items()) == dict(theirs.headers.lower_items())


def test_a_session_with_a_prepare_request_of_its_own():
    class Signing(requests.Session):
        def prepare_request(self, request):
            prepared = super().prepare_request(request)
            prepared.headers["X-Signature"] = "signed"
            return prepared

    with scripted(OK) as server, Signing() as session, client_of(server, session=session) as client:
        client.send("x", "post", data={"q": "1"})
        assert b"X-Signature: signed" in server.requests[0]


def test_cookies_of_answers_come_back():
    with scripted(status(200, "Set-Cookie: seen=1; Path=/"), OK) as server, client_of(server) as client:
        for _ in range(2):
            client.send("x", "get")
        assert [b"Cookie: seen=1" in request for request in server.requests] == [False, True]


def test_the_sessions_credentials_are_used_where_the_key_leaves_the_header_free():
    session = requests.Session()
    session.auth = ("proxy", "password")
    with scripted(OK) as server, session:
        for client in (NoAuthClient(server.base_url, session),
                       APIKeyAuthClient(server.base_url, "the key", session=session),
                       APIKeyAuthClient(server.base_url, "the key", session=session, api_key_in="query"),
                       APIKeyAuthClient(server.base_url, "the key", session=session, api_key_in="header")):
            client.send("x", "get")
        assert [b"Basic cHJveHk6cGFzc3dvcmQ=" in request for request in server.requests] == [True, True, True, False]
        assert [b"api_key=the+key" in request for request in server.requests] == [False, True, True, False]


def test_credentials_that_are_hooks_stay_with_their_request():
    challenge = status(401, 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"')
    with scripted(OK, OK, challenge) as server, client_of(server) as client, client_of(server) as other:
        gated = client.send("x", "get", auth=HTTPDigestAuth("gate", "password"))
        assert gated.request.hooks["response"] != []
        assert other.send("x", "get").request.hooks == {"response": []}
        assert other.send("x", "get").status_code == 401
        assert not any(b"Digest" in request for request in server.requests)


def test_mounted_adapters_are_used():
    class Canned(HTTPAdapter):
        def send(self, request, **kwargs):
            response = requests.Response()
            response.status_code, response.request, response._content = 200, request, b'{"canned": true}'
            response.raw = urllib3.HTTPResponse(b"")
            return response

    session = requests.Session()
    session.mount(CLOUD, Canned())
    assert NoAuthClient(CLOUD, session).send("x", "get").json() == {"canned": True}
    own = NoAuthClient(CLOUD)
    own.session.mount(CLOUD, Canned())
    assert own.send("x", "post", data={"q": "1"}).json() == {"canned": True}


def test_the_adapters_own_retries_are_errors_of_ours(waits):
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(1, status_forcelist=[500], backoff_factor=0)))
    with (scripted(status(500)) as server, client_of(server, session=session) as client, session,
          pytest.raises(CartoException, match="500")):
        client.send("x", "get")
    assert waits == []


def test_mocks_work():
    client = APIKeyAuthClient(CLOUD, "the key")
    with requests_mock.Mocker() as mocker:
        mocker.post(f"{CLOUD}x", json={"mocked": True})
        assert client.send("x", "post", data={"q": "1"}).json() == {"mocked": True}
        assert mocker.last_request.text == "q=1"
        with pytest.raises(requests_mock.NoMockAddress):
            client.send("not mocked", "get")
    with responses.RequestsMock() as server:
        server.post(f"{CLOUD}x", json={}, match=[responses.matchers.urlencoded_params_matcher({"q": "1"})])
        assert client.send("x", "post", data={"q": "1"}).ok


def test_unknown_arguments_are_refused():
    with pytest.raises(CartoUsageException, match="no argument named colour, size"):
        NoAuthClient(CLOUD).send("x", "get", size=1, colour=2)


@pytest.mark.parametrize("args", [
    {"headers": {"X": "a\r\nInjected: b"}}, {"headers": {"X": "€"}}, {"headers": {"X": 7}}, {"json": float("nan")},
    {"params": {"q": "\ud800"}}, {"data": {"q": "\ud800"}},
])
def test_what_cannot_be_sent_is_refused_before(waits, args):
    with pytest.raises(CartoUsageException):
        NoAuthClient(CLOUD).send("x", "post", **args)
    assert waits == []


def test_a_producers_error_is_its_own():
    def broken():
        yield b"a"
        raise KeyError("mine")

    with scripted(OK) as server, client_of(server) as client, pytest.raises(KeyError, match="mine"):
        client.send("x", "post", data=broken())


# --- the environment


def test_a_proxy_of_the_environment_is_used_and_read_once(monkeypatch):
    with scripted(OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin.replace("//", "//user:word@"))
        with NoAuthClient("http://me.example.org/") as client:
            with mock.patch.object(session_module, "get_environ_proxies",
                                   wraps=session_module.get_environ_proxies) as read:
                for _ in range(3):
                    assert client.send("x", "get").ok
            assert read.call_count == 1
        assert all(request.startswith(b"GET http://me.example.org/x?") for request in proxy.requests)
        assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in proxy.requests[0]


@pytest.mark.parametrize("off", ["no_proxy", "trust_env", "session"])
def test_a_proxy_can_be_switched_off(monkeypatch, off):
    session = requests.Session()
    with scripted(OK) as server, unused_port() as nobody, session:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
        if off == "no_proxy":
            monkeypatch.setenv("no_proxy", "127.0.0.1")
        elif off == "trust_env":
            session.trust_env = False
        else:
            session.proxies = {"http": None}
        assert NoAuthClient(server.base_url, session, retries=0).send("x", "get").ok


def test_proxies_of_session_and_call_go_before_the_environment(monkeypatch):
    with scripted(OK) as proxy, requests.Session() as session, unused_port() as nobody:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
        ours = {"http": proxy.origin}
        client = NoAuthClient("http://me.example.org/", session, retries=0)
        assert client.send("x", "get", proxies=ours).ok
        session.proxies = ours
        assert client.send("x", "get").ok


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for localhost that signs itself; its file holds the key too."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{path}.key",
                    "-out", path, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    return path


@pytest.fixture
def tls_server(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, f"{certificate}.key")
    with scripted(OK, context=context) as server:
        yield server


def test_an_unknown_certificate_is_refused_at_once(tls_server, waits):
    with (NoAuthClient(tls_server.base_url) as client,
          pytest.raises(CartoConnectionException, match=r"(?i)certificate") as caught):
        client.send("x", "get", idempotent=True)
    assert isinstance(caught.value.args[0], requests.exceptions.SSLError)
    assert waits == []


@pytest.mark.parametrize("where", ["session", "call", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_can_be_named(tls_server, certificate, monkeypatch, where):
    with NoAuthClient(tls_server.base_url) as client:
        options = {}
        if where == "session":
            client.session.verify = str(certificate)
        elif where == "call":
            options["verify"] = str(certificate)
        else:
            monkeypatch.setenv(where, str(certificate))
        assert client.send("x", "get", **options).ok


def test_the_certificate_must_be_for_the_host(tls_server, certificate):
    base_url = tls_server.base_url.replace("localhost", "127.0.0.1")
    with NoAuthClient(base_url, retries=0) as client, pytest.raises(CartoConnectionException, match=r"127\.0\.0\.1"):
        client.send("x", "get", verify=str(certificate))


def test_ca_variables_are_not_read_without_trust_env(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with NoAuthClient(tls_server.base_url, retries=0) as client:
        client.session.trust_env = False
        with pytest.raises(CartoConnectionException):
            client.send("x", "get")


@pytest.mark.parametrize("switch", ["client", "session", "call"])
def test_verification_can_be_switched_off(tls_server, switch, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    cls = NonVerifiedAPIKeyAuthClient if switch == "client" else APIKeyAuthClient
    options = {"verify": False} if switch == "call" else {}
    with cls(tls_server.base_url, "the key") as client:
        if switch == "session":
            client.session.verify = False
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            response = client.send("x", "get", **options)
    assert response.ok


def test_a_verified_call_does_not_use_an_unverified_connection(tls_server):
    with NoAuthClient(tls_server.base_url, retries=0) as client:
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            client.send("x", "get", verify=False)
        with pytest.raises(CartoConnectionException, match=r"(?i)certificate"):
            client.send("x", "get")


def test_a_bundle_that_is_not_there_is_named():
    with (NoAuthClient("https://localhost/user/me", retries=0) as client,
          pytest.raises(CartoUsageException, match=r"/no/such/bundle.*REQUESTS_CA_BUNDLE")):
        client.send("x", "get", verify="/no/such/bundle")


def test_a_client_certificate_is_still_sent(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.load_cert_chain(certificate, f"{certificate}.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with scripted(OK, context=context) as server, NoAuthClient(server.base_url) as client:
        pair = (str(certificate), f"{certificate}.key")
        assert client.send("x", "get", verify=str(certificate), cert=pair).ok


def test_one_context_serves_the_process(tls_server, certificate):
    with mock.patch.object(session_module.urllib3.util.ssl_, "create_urllib3_context",
                           wraps=urllib3.util.ssl_.create_urllib3_context) as create:
        session_module._load_ssl_context.cache_clear()

        def call(_):
            with NoAuthClient(tls_server.base_url) as client:
                return client.send("x", "get", verify=str(certificate)).ok

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(call, range(16))) == [True] * 16
        assert tls_server.connections == 16
        assert create.call_count == 1
    assert shared_ssl_context(str(certificate)) is shared_ssl_context(str(certificate))


# --- threads, connections, leaks


def test_twenty_threads_share_a_client_and_its_connections(caplog):
    caplog.set_level(logging.WARNING, logger="urllib3.connectionpool")

    def slow(peer):
        time.sleep(0.002)
        peer.send(OK)
        return True

    with ScriptedServer(slow) as server, client_of(server) as client:
        start = threading.Barrier(20)

        def work(number):
            start.wait()
            return [client.send("x", "post", data={"q": f"{number}-{call}"}).status_code for call in range(20)]

        with ThreadPoolExecutor(20) as threads:
            statuses = [code for codes in threads.map(work, range(20)) for code in codes]
        assert statuses == [200] * 400
        assert server.connections <= 20
        bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
        assert bodies == {f"q={number}-{call}".encode() for number in range(20) for call in range(20)}
    assert "pool is full" not in caplog.text


def open_sockets():
    gc.collect()
    return sorted(os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
                  if os.path.islink(f"/proc/self/fd/{name}") and "socket" in os.readlink(f"/proc/self/fd/{name}"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts sockets by /proc")
@pytest.mark.usefixtures("waits")
def test_nothing_is_left_open():
    before, threads_before = open_sockets(), threading.active_count()
    answers = [OK, LIMITED, OK, status(503), redirect("/y"), OK, status(404), b"RESET", OK,
               b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{CLOSE", redirect("http://other.example/")]
    with scripted(*answers) as server, APIKeyAuthClient(server.base_url, "the key") as client:
        for _ in answers:
            with contextlib.suppress(CartoException):
                client.send("x", "get", stream=True, idempotent=True).close()
    assert open_sockets() == before
    assert threading.active_count() == threads_before


def test_closing_closes_the_clients_connections_and_not_the_callers():
    with scripted(OK) as server:
        client = NoAuthClient(server.base_url)
        for _ in range(2):
            client.send("x", "get")
        client.close()
        client.close()
        assert server.connections == 1
        assert client.send("x", "get").ok  # as a requests session does, it opens a new one
        assert server.connections == 2
        client.close()
        with requests.Session() as session:
            for _ in range(3):
                with NoAuthClient(server.base_url, session) as on_theirs:
                    on_theirs.send("x", "get")
            assert server.connections == 3


def test_the_pool_is_that_of_our_adapter():
    client = NoAuthClient(CLOUD)
    adapter = client.session.get_adapter(CLOUD)
    assert isinstance(adapter, PooledAdapter)
    assert adapter._pool_maxsize >= 20


# --- the log


def test_each_request_is_one_line_and_each_retry_another(caplog, waits):
    caplog.set_level(logging.DEBUG, logger="carto")
    with (scripted(LIMITED, OK) as server,
          APIKeyAuthClient(server.base_url, "SECRETKEY", api_key_in="query") as client):
        client.send("x", "get", params={"q": "1"})
    levels = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "carto"]
    assert [level for level, _ in levels] == ["DEBUG", "INFO", "DEBUG"]
    assert "GET http://127.0.0.1" in levels[0][1]
    assert "api_key=***" in levels[0][1]
    assert "429" in levels[1][1]
    assert len(waits) == 1


def test_a_failure_is_a_line_too(caplog):
    caplog.set_level(logging.DEBUG, logger="carto")
    with (unused_port() as port, NoAuthClient(f"http://127.0.0.1:{port}/user/me", retries=0) as client,
          pytest.raises(CartoConnectionException)):
        client.send("x", "get")
    assert [record.getMessage().partition("-> ")[2] for record in caplog.records if record.name == "carto"] == [
        "no answer (ConnectionError)"]


def test_the_log_is_silent_by_default(capsys):
    with scripted(status(500)) as server, client_of(server) as client:
        client.send("x", "get")
    assert capsys.readouterr() == ("", "")


def test_a_platform_limit_is_not_waited_for(waits):
    body = json.dumps({"error": ["over"], "context": "limit", "detail": "datasource"}).encode()
    with scripted(status(429, "", body)) as server, client_of(server) as client:
        response = client.send("x", "get", idempotent=True)
        with pytest.raises(CartoLimitException):
            client.get_response_data(response)
        assert len(server.requests) == 1
    assert waits == []


# --- speed


@pytest.mark.parametrize(("data", "writes"), [({"q": "select 1"}, 1), (b"x" * 100_000, 2), (None, 1)])
def test_a_small_request_is_written_at_once(data, writes):
    with scripted(OK) as server, client_of(server) as client:
        client.send("x", "get")
        with mock.patch.object(http.client.HTTPConnection, "send", autospec=True,
                               side_effect=http.client.HTTPConnection.send) as send:
            assert client.send("x", "post", data=data).ok
        assert send.call_count == writes
        assert server.connections == 1


def test_a_plain_request_does_not_need_the_sessions_preparation():
    session = requests.Session()
    with mock.patch.object(session_module.requests, "Request", side_effect=AssertionError("the long way")):
        for client in (APIKeyAuthClient(CLOUD, "the key", session=session), NoAuthClient(CLOUD)):
            method, args = client.prepare_send("post", data={"q": "select 1"})
            assert session_module.prepare(client.session, method, f"{CLOUD}x", args).body == "q=select+1"
            with pytest.raises(AssertionError, match="the long way"):
                session_module.prepare(client.session, method, f"{CLOUD}x", {**args, "json": {}})
