"""No secret in any text: messages, representations, tracebacks, pickles, logs and the requests that errors hold."""

import base64
import contextlib
import html
import json
import logging
import pickle
import re
import socket
import socketserver
import threading
import traceback
from urllib.parse import quote, quote_plus

import pytest
import requests
import responses
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carto._http.redaction import MASK, redact, redact_headers, redact_value, redacted_request, secrets_of
from carto.auth import APIKeyAuthClient, AuthAPIClient, send_with
from carto.exceptions import CartoException, CartoInvalidResponseException, CartoResponseException

CLOUD = "https://me.carto.com/"
#: A key of what could be written in many ways: in URLs, JSON, HTML and headers.
HARD_KEY = "k3y/with+all=of&it \"'<>\\%41ü€#?;:é𝄞end"
KEYS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=6, max_size=40).filter(
    lambda key: key.isprintable() and key.strip() == key and len(set(key)) > 3)


def written_forms(key, user="me"):
    """Write a key as the parts of HTTP do."""
    token = base64.b64encode(f"{user}:{key}".encode()).decode()
    return {
        "plain": key, "quote": quote(key), "quote all": quote(key, safe=""), "plus": quote_plus(key),
        "lower": re.sub("%..", lambda found: found[0].lower(), quote(key, safe="")),
        "twice": quote(quote(key, safe="")),
        "json": json.dumps(key)[1:-1], "json utf-8": json.dumps(key, ensure_ascii=False)[1:-1],
        "json in json": json.dumps(json.dumps(key))[3:-3], "repr": repr(key)[1:-1], "bytes": repr(key.encode())[2:-1],
        "html": html.escape(key), "html bare": html.escape(key, quote=False),
        "entities": "".join(f"&#{ord(character)};" if not character.isalnum() else character for character in key),
        "latin-1": key.encode().decode("latin-1"), "base64": token, "quoted base64": quote(token, safe=""),
    }


def requests_with(key):
    """Prepare a request for each place in which a key may stand."""
    yield requests.Request("GET", CLOUD, auth=requests.auth.HTTPBasicAuth(b"me", key.encode())).prepare()
    yield requests.Request("GET", CLOUD, params={"api_key": key, "q": "select 1"}).prepare()
    yield requests.Request("POST", CLOUD, data={"q": "select 1", "api_key": key}).prepare()
    yield requests.Request("POST", CLOUD, json={"api_key": key, "name": "map"}).prepare()
    yield requests.Request("POST", CLOUD, data=json.dumps({"auth_token": key})).prepare()
    yield requests.Request("POST", CLOUD, json={"connector": {"connection": {"password": key}}}).prepare()
    yield requests.Request("POST", CLOUD, json=[{"Private_Key": key}]).prepare()


PLACES = ["header", "query", "form", "json", "json text", "connection", "json list"]


# --- texts


@pytest.mark.parametrize("text", [
    "/sql?api_key=SECRET", "/sql?q=1&api_key=SECRET&x=y", "/sql?API_KEY=SECRET", "x api_key=SECRET y",
    "/sql?api_key%3DSECRET", "/login?next=%2Fsql%3Fapi_key%3DSECRET%26q%3D1", "next=%253Fapi_key%253DSECRET",
    "map_key=SECRET", "auth_token=SECRET", "access_token=SECRET", '{"api_key": "SECRET"}', '{"api_key":"SE\\"CRET"}',
    '{"name": "x", "token":"SECRET"}', '{"password": "SECRET"}', '{\\"password\\": \\"SECRET\\"}',
    '{"connection": {"password": "SECRET"}}', json.dumps(json.dumps({"password": 'SE"CRET\\SECRET'})),
    "{'api_key': 'SECRET'}", '{\\"api_key\\": \\"SECRET\\"}', "https://me:SECRET@carto.com/", "http://me:a@SECRET@h/",
    "postgresql://bob:SECRET@db/x", "FTP://SECRET:a@h", "git+ssh://SECRET@h", "sftp://u:SECRET@h:22/a@b",
    'proxy "http://u:SECRET@proxy:3128"', "(api_key=SECRET)", "api_key=SECRET\nnext line",
])
def test_secret_parameters_are_masked_without_being_known(text):
    masked = redact(text)
    assert MASK in masked
    assert "SECRET" not in masked
    assert 'CRET"' not in masked
    assert redact(masked) == masked


@pytest.mark.parametrize("text", [
    "", "select 1", "relation \"api_key\" does not exist", "https://me.carto.com/user/me/", "mail me@example.org",
    "http://h/ and mail@example.org", "WHERE token = 'x' AND password=y", '{"method": "token", "valid_tokens": ["x"]}',
    "the api_key is missing", "default_public",
])
def test_innocent_texts_stay(text):
    assert redact(text, {"default_public", "", MASK}) == text


def test_what_surrounds_a_secret_stays():
    assert redact("GET /sql?q=1&api_key=abc&format=csv failed") == f"GET /sql?q=1&api_key={MASK}&format=csv failed"


def test_a_very_short_secret_does_not_eat_the_message():
    assert redact("a syntax error", {"a"}) == "a syntax error"


@pytest.mark.parametrize(("form", "text"), list(written_forms(HARD_KEY).items()))
def test_a_known_key_is_masked_however_it_is_written(form, text):
    token = base64.b64encode(f"me:{HARD_KEY}".encode()).decode()
    assert redact(f"<{text}>", {HARD_KEY, token}) == f"<{MASK}>"


@given(KEYS)
@settings(deadline=None)
@example("0000+0+0")
@example("a.b*c$d^e")
@example("00012\\")
@example("00012&")
@example("00012\xc3")
@example("00012%")
@example("\\\\a\\x41\\")
def test_generated_keys_are_masked_however_they_are_written(key):
    for request in requests_with(key):
        secrets = secrets_of(request)
        for form, text in written_forms(key).items():
            if "base64" not in form or "Authorization" in request.headers:
                assert redact(f"<{text}>", secrets) == f"<{MASK}>", form


@given(st.text(), st.sets(st.text(min_size=4)))
@settings(deadline=None)
def test_redaction_never_raises_and_is_stable(text, secrets):
    masked = redact(text, secrets)
    assert all(secret not in masked for secret in secrets if secret not in MASK and secret != "default_public"
               and not set(secret) & set(MASK))


def test_values():
    value = {"a": ["x SECRETKEY", 1, None], "api_key": "other", "SECRETKEY": {"b": "SECRETKEY"}}
    assert redact_value(value, {"SECRETKEY"}) == {"a": [f"x {MASK}", 1, None], "api_key": MASK, MASK: {"b": MASK}}
    answer = {"items": [{"connection": {"Password": "sesame"}}], "errors": {"password": ["is too short"]}}
    assert redact_value(answer) == {"items": [{"connection": {"Password": MASK}}],
                                    "errors": {"password": ["is too short"]}}


def test_headers():
    masked = redact_headers({"Authorization": "Basic x", "Cookie": "a=b", "Set-Cookie": "c", "proxy-authorization": "y",
                             "Location": "/x?api_key=SECRET", "X": b"bytes SECRETKEY", "Y": "fine"}, {"SECRETKEY"})
    assert dict(masked) == {"Authorization": MASK, "Cookie": MASK, "Set-Cookie": MASK, "proxy-authorization": MASK,
                            "Location": f"/x?api_key={MASK}", "X": f"bytes {MASK}", "Y": "fine"}
    assert dict(redact_headers(None)) == {}


@pytest.mark.parametrize(("place", "request_"), list(zip(PLACES, requests_with(HARD_KEY), strict=True)))
def test_the_secrets_of_a_request_are_found(place, request_):
    assert HARD_KEY in secrets_of(request_)
    copy = redacted_request(request_)
    held = f"{copy.url} {dict(copy.headers)} {copy.body} {copy.method}"
    assert not any(form in held for form in written_forms(HARD_KEY).values())
    assert copy.method == request_.method


def test_the_public_key_is_no_secret():
    for request in requests_with("default_public"):
        assert "default_public" not in secrets_of(request)
    assert secrets_of(None) == frozenset()
    assert redacted_request(None) is None


@pytest.mark.parametrize("body", ["{broken", "[1]", '{"api_key": 7}', '{"api_key": "\\ud800abcdef"}', b"\xff\xfe",
                                  pytest.param("[" * 50_000, id="deep"), '{"api_key": null, "token": true}',
                                  "x" * 70_000, iter([b"a"]), None, ""])
def test_bodies_without_a_readable_key(body):
    request = requests.Request("POST", CLOUD).prepare()
    request.body = body
    assert all(isinstance(secret, str) for secret in secrets_of(request))
    assert redact("text", secrets_of(request)) == "text"


@pytest.mark.parametrize("header", ["Basic", "Basic %%%%%", "Basic YQ==", "Bearer tokentoken", b"Basic bWU6a2V5MQ==",
                                    ""])
def test_authorizations_of_other_kinds(header):
    request = requests.Request("GET", CLOUD).prepare()
    request.headers["Authorization"] = header
    token = header.decode() if isinstance(header, bytes) else header
    assert redact(token, secrets_of(request)).partition(" ")[2] in ("", MASK)


# --- everything that an exception shows


def texts_of(error):
    """Collect every text that an exception and what hangs on it can show."""
    yield from (str(error), repr(error), "".join(traceback.format_exception(error)))
    for protocol in (0, pickle.HIGHEST_PROTOCOL):
        yield pickle.dumps(error, protocol).decode("latin-1")
    seen, waiting = set(), [error]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, type) or value is None:
            continue
        seen.add(id(value))
        if isinstance(value, (str, bytes, int, float)):
            yield str(value)
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting.extend(value)
        elif isinstance(value, dict) or hasattr(value, "items"):
            waiting.extend([*value.keys(), *value.values()])
        elif isinstance(value, BaseException):
            waiting.extend([value.args, value.__cause__, value.__context__, vars(value)])
        elif hasattr(value, "__dict__"):
            waiting.append(vars(value))


def assert_no_secret(error, key, logged=""):
    forms = set(written_forms(key).values())
    for text in [*texts_of(error), logged]:
        assert not [form for form in forms if form in text], text


@contextlib.contextmanager
def everything_logged(caplog):
    """Collect what all loggers say, urllib3's too, as a program does that logs everything."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    yield lambda: "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)


def clients(base_url, key):
    yield APIKeyAuthClient(base_url, key, username="me", retries=0)
    yield APIKeyAuthClient(base_url, key, api_key_in="query", username="me", retries=0)
    yield AuthAPIClient(base_url, key, username="me", retries=0)


class Echo(socketserver.BaseRequestHandler):
    """Answers with what it was sent, in one of the ways in which servers quote it; or not at all."""

    mode = "html"
    key = HARD_KEY

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            got = self.request.recv(65536)
            if not got:
                return
            head += got
        if self.mode == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        echo = head.decode("latin-1") + " " + self.key
        status, body = {
            "html": (502, f"<html><body><h1>{html.escape(echo)}</h1></body></html>"),
            "raw html": (404, f"<html><body>{echo}</body></html>"),
            "json": (400, json.dumps({"error": [echo], "detail": echo, "hint": [echo], "context": {echo: echo}})),
            "text": (403, echo), "limit": (429, json.dumps({"errors": {"imports": echo}})),
            "rate": (429, json.dumps({"errors": [echo]})), "redirect": (302, ""),
        }[self.mode]
        reason = quote_plus(self.key)
        location = f"https://other.example/?api_key={quote(self.key, safe='')}&x={quote(self.key)}"
        extra = "Retry-After: 3600\r\n" if self.mode == "rate" else ""
        data = body.encode()
        self.request.sendall(f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(data)}\r\nX-Echo: {reason}\r\n"
                             f"{extra}Location: {location}\r\nConnection: close\r\n\r\n".encode() + data)


@pytest.fixture
def echo_server():
    class Handler(Echo):
        pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        handler = Handler

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def failing_calls(client):
    yield lambda: client.get_response_data(client.send("api/v2/sql", "post", data={"q": "select 1"}))
    yield lambda: client.get_response_data(client.send("api/v2/sql", "get", params={"q": "select 1"}))
    yield lambda: client.get_response_data(client.send("api/v2/sql", "get", stream=True))


@pytest.mark.parametrize("mode", ["html", "raw html", "json", "text", "limit", "rate", "redirect", "reset"])
@pytest.mark.parametrize("key", [HARD_KEY, "0123456789abcdef0123456789abcdef01234567"])
def test_no_secret_leaves_over_a_real_socket(echo_server, caplog, mode, key):
    echo_server.handler.mode, echo_server.handler.key = mode, key
    base_url = f"http://127.0.0.1:{echo_server.server_address[1]}/user/me/"
    with everything_logged(caplog) as logged:
        for client in clients(base_url, key):
            with client:
                for call in failing_calls(client):
                    with pytest.raises(CartoException) as caught:
                        call()
                    assert_no_secret(caught.value, key)
        assert "/user/me/api/v2/sql" in logged()
        assert not [form for form in written_forms(key).values() if form in logged()]


def test_no_secret_when_the_connection_is_refused(caplog):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/user/me/"
        with everything_logged(caplog) as logged:
            for client in clients(base_url, HARD_KEY):
                for call in failing_calls(client):
                    with pytest.raises(CartoException) as caught:
                        call()
                    assert "api/v2/sql" in "".join(texts_of(caught.value))
                    assert_no_secret(caught.value, HARD_KEY, logged())


@given(KEYS)
@settings(deadline=None, max_examples=40)
def test_no_generated_key_is_in_an_error(key):
    key = f"zQ7{key}"  # so that it is no part of what an error says anyhow
    for client in clients(CLOUD, key):
        with responses.RequestsMock() as server:
            server.add("GET", f"{CLOUD}x", status=400, json={"error": [f"bad {key}"], "hint": key})
            with pytest.raises(CartoException) as caught:
                client.get_response_data(client.send("x", "get"))
            assert_no_secret(caught.value, key)


def test_messages_given_by_our_own_code_are_redacted_too():
    response = requests.Response()
    response.status_code = 200
    response.request = requests.Request("GET", CLOUD, params={"api_key": "SECRETKEY"}).prepare()
    response._content = b"<html>SECRETKEY</html>"
    for error in (CartoInvalidResponseException(response), CartoResponseException(response, "broke at SECRETKEY")):
        assert_no_secret(error, "SECRETKEY")


def test_a_key_that_is_cut_by_the_shortening_of_a_page_does_not_show():
    response = requests.Response()
    response.status_code = 500
    response.request = requests.Request("GET", CLOUD, params={"api_key": "SECRETKEYSECRETKEY"}).prepare()
    for before in range(150, 510):
        for page in (f"<html>{'x' * before} SECRETKEYSECRETKEY</html>", f"{'x' * before} SECRETKEYSECRETKEY"):
            response._content = page.encode()
            assert "SECR" not in str(CartoResponseException(response))


def test_other_clients_errors_show_no_key():
    class Theirs:
        def send(self, relative_path, http_method, **requests_args):
            raise requests.exceptions.InvalidURL(f"bad https://h/{relative_path}?api_key=SECRETKEY")

    with pytest.raises(CartoException) as caught:
        send_with(Theirs(), "x", "get")
    assert_no_secret(caught.value, "SECRETKEY")


def test_urllib3s_log_lines_stay_readable(caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug('%s "GET %s"', "http://h", "/x?api_key=SECRETKEY&q=1")
    assert caplog.messages == [f'http://h "GET /x?api_key={MASK}&q=1"']
