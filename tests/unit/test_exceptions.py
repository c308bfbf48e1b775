"""The error tree: the class for each cause, its attributes, and that nothing is lost on the way to another process."""

import email.utils
import inspect
import io
import json
import pickle
import time

import pyrestcli.exceptions
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

import carto.exceptions
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoConnectionException,
    CartoException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoLimitException,
    CartoNotFoundException,
    CartoPartialResultException,
    CartoQueryTimeoutException,
    CartoRateLimitException,
    CartoResponseException,
    CartoServerException,
    CartoTimeoutException,
    CartoTransportException,
    CartoUnauthorizedException,
    CartoUnprocessableException,
    CartoUsageException,
    error_messages,
    retry_after_seconds,
    transport_error,
)
from carto.file_import import FileImportJob

URL = "https://me.carto.com/api/v2/sql?api_key=SECRETKEY&q=select+1"
PYRESTCLI_CLASSES = {
    400: "BadRequestException", 401: "UnauthorizedErrorException", 403: "ForbiddenErrorException",
    404: "NotFoundException", 422: "UnprocessableEntityError", 429: "RateLimitException",
    500: "ServerErrorException",
}


def answer(status, body=b"", headers=None, reason=None, request=True):
    """Make the answer that requests would have made of these bytes."""
    response = requests.Response()
    response.status_code = status
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.raw = urllib3.HTTPResponse(io.BytesIO(text), preload_content=False)
    response.headers.update(headers or {})
    response.reason = reason
    response.url = URL
    if request:
        response.request = requests.Request("POST", URL, data={"q": "select 1"}).prepare()
    return response


def raised(status, body=b"", headers=None, **more):
    return CartoResponseException.from_response(answer(status, body, headers, **more))


# --- the class for each status


@pytest.mark.parametrize(("status", "expected"), [
    (302, CartoResponseException), (400, CartoBadRequestException), (401, CartoUnauthorizedException),
    (402, CartoResponseException), (403, CartoForbiddenException), (404, CartoNotFoundException),
    (410, CartoResponseException), (422, CartoUnprocessableException), (429, CartoLimitException),
    (500, CartoServerException), (502, CartoServerException), (503, CartoServerException),
    (504, CartoServerException), (599, CartoServerException),
])
def test_the_class_of_a_status(status, expected):
    error = raised(status, {"error": ["no"]})
    assert type(error) is expected
    pyrestcli_class = getattr(pyrestcli.exceptions, PYRESTCLI_CLASSES.get(status, "BaseException"))
    assert isinstance(error, pyrestcli_class)
    assert type(error.args[0]) is pyrestcli_class
    assert len(error.args) == 1
    assert error.status_code == status
    assert isinstance(error, CartoException)


def test_what_pyrestclis_exceptions_held_is_held():
    inner = raised(400, {"error": ["syntax error"]}, {"X": "y"}, reason="Bad Request").args[0]
    assert inner.args == (["syntax error"],)
    assert (inner.status_code, inner.reason, inner.headers["x"]) == (400, "Bad Request", "y")
    assert "SECRETKEY" not in inner.url
    assert raised(403, {"errors": "no"}).args[0].args == ("Access denied",)


def test_the_tree_is_the_one_that_its_docstring_draws():
    drawn = [line.split()[0] for line in carto.exceptions.__doc__.splitlines() if line.strip().startswith("Carto")]
    assert sorted(drawn) == sorted(carto.exceptions.__all__)
    levels = {line.split()[0]: len(line) - len(line.lstrip())
              for line in carto.exceptions.__doc__.splitlines() if line.strip().startswith("Carto")}
    path = []
    for name, level in levels.items():
        path = [entry for entry in path if entry[1] < level] + [(name, level)]
        for ancestor, _ in path:
            assert issubclass(getattr(carto.exceptions, name), getattr(carto.exceptions, ancestor))


# --- attributes and text


def test_an_sql_error():
    error = raised(400, {"error": ['relation "x" does not exist'], "hint": "try y", "detail": "no x",
                         "context": "here", "position": "15"})
    assert error.errors == ['relation "x" does not exist']
    assert (error.context, error.detail, error.hint, error.position) == ("here", "no x", "try y", 15)
    assert str(error) == 'relation "x" does not exist\nDetail: no x\nHint: try y'
    assert repr(error) == "CartoBadRequestException(400, 'relation \"x\" does not exist')"
    assert (error.method, error.url) == ("POST", "https://me.carto.com/api/v2/sql?api_key=***&q=select+1")


@pytest.mark.parametrize(("body", "expected"), [
    ({"error": ["one", "two"]}, ["one", "two"]), ({"errors": "text"}, ["text"]), ({"error": "text"}, ["text"]),
    ({"errors": ["a"], "errors_cause": None}, ["a"]), ({"errors": None}, None), ({}, None), ([], None),
    ({"errors": {"imports": "slots are used"}}, ["slots are used"]), ({"errors": {"a": ["x", "y"]}}, ["x", "y"]),
    ({"errors": {"a": {"b": "deep"}}}, ["deep"]), ({"message": "msg"}, ["msg"]), ({"description": ["d"]}, ["d"]),
    ({"errors": [{"message": "m", "type": "t"}]}, ["m"]), (["plain", "list"], ["plain", "list"]), ("text", ["text"]),
    ({"error": [7]}, ["7"]), ({"error": ["", None]}, None), (7, ["7"]), (None, None),
])
def test_error_bodies_of_every_form(body, expected):
    error = raised(400, body)
    assert error.errors == expected or (expected is None and len(error.errors) == 1)
    assert all(error.errors)
    assert str(error).strip()
    assert error_messages(body) == (expected or [])


@pytest.mark.parametrize(("body", "text"), [
    (b"", "502 Bad Gateway: the answer to POST https://me.carto.com/api/v2/sql is empty"),
    (b"   ", "502 Bad Gateway: the answer to POST https://me.carto.com/api/v2/sql is empty"),
    (b"{}", "502 Bad Gateway: the answer to POST https://me.carto.com/api/v2/sql is empty"),
    (b"Bad luck\n", "502 Bad Gateway: Bad luck"),
    (b"<html><head><title>T</title><style>s{}</style></head><body><h1>No &amp; no</h1>\n<p>really</body></html>",
     "502 Bad Gateway: the answer is a page of HTML that says: 'No & no really'"),
    (b'{"cut": ', '502 Bad Gateway: {"cut":'),
    (b"\xff\xfe\x00", None),
    (b"[" * 50_000, None),
])
def test_bodies_that_are_no_json(body, text):
    error = raised(502, body, reason="Bad Gateway")
    assert str(error) == text or text is None
    assert len(str(error)) < 600


def test_a_long_page_is_cut():
    page = b"<html>" + b"word " * 10_000 + b"</html>"
    assert len(str(raised(500, page))) < 400
    assert len(str(raised(500, b"word " * 10_000))) < 600


@pytest.mark.parametrize("position", ["nine", None, [], {}, "1e5", "Infinity", True])
def test_a_position_that_is_no_number(position):
    body = json.dumps({"error": ["x"], "position": position}).replace('"Infinity"', "Infinity").encode()
    assert raised(400, body).position in (None, 1)


def test_an_answer_without_a_request():
    error = raised(500, b"oops", request=False)
    assert (error.method, str(error)) == (None, "500: oops")
    assert str(raised(500, request=False)) == "500: the answer is empty"


def test_a_body_that_was_read_as_a_stream():
    response = answer(500, b"data")
    assert list(response.iter_content(2)) == [b"da", b"ta"]
    assert "could not be read" in str(CartoServerException(response))


def test_partial_and_invalid_results():
    partial = CartoPartialResultException(answer(200, {"error": ["cut"], "rows": []}), rows=[{"a": 1}], received=7)
    assert (partial.rows, partial.received, partial.errors) == ([{"a": 1}], 7, ["cut"])
    assert CartoPartialResultException(answer(200, b"x"), "it broke").errors == ["it broke"]
    invalid = CartoInvalidResponseException(answer(200, b"<html>login</html>"))
    assert "login" in str(invalid)
    for error in (partial, invalid):
        assert isinstance(error, CartoResponseException)
        assert type(error.args[0]) is pyrestcli.exceptions.BaseException


# --- 429 in its kinds


RATE_HEADERS = {"Retry-After": "7", "Carto-Rate-Limit-Limit": "3", "Carto-Rate-Limit-Remaining": "0",
                "Carto-Rate-Limit-Reset": "9"}


def test_a_rate_limit():
    response = answer(429, {"error": ["too many"], "context": "limit", "detail": "rate-limit"}, RATE_HEADERS)
    error = CartoResponseException.from_response(response)
    assert type(error) is CartoRateLimitException
    assert (error.limit, error.remaining, error.retry_after, error.reset) == (3, 0, 7, 9)
    assert str(error) == "too many"
    assert CartoRateLimitException.is_rate_limited(response)


def test_a_rate_limit_without_the_other_headers():
    error = raised(429, b"", {"Retry-After": "0"})
    assert type(error) is CartoRateLimitException
    assert (error.limit, error.remaining, error.retry_after, error.reset) == (None, None, 0, None)
    garbled = raised(429, b"", {"Retry-After": "1", "Carto-Rate-Limit-Limit": "many"})
    assert garbled.limit is None


@pytest.mark.parametrize(("body", "expected", "kind"), [
    ({"error": ["over"], "context": "limit", "detail": "datasource"}, CartoQueryTimeoutException, "datasource"),
    ({"errors": {"imports": "slots"}}, CartoLimitException, "imports"),
    ({"errors": ["o"], "errors_with_context": [{"type": "limit", "subtype": "render", "message": "o"}]},
     CartoLimitException, "render"),
    ({"errors": ["o"], "errors_with_context": [{"type": "limit", "subtype": "datasource", "message": "o"}]},
     CartoQueryTimeoutException, "datasource"),
    ({"errors": ["o"], "errors_with_context": ["odd"]}, CartoLimitException, None),
    ({"error": ["o"], "detail": {"odd": 1}}, CartoLimitException, None),
    ({"error": ["o"]}, CartoLimitException, None),
])
@pytest.mark.parametrize("retry_after", [None, "-1", "soon", ""])
def test_a_429_that_does_not_say_when_to_come_back(body, expected, kind, retry_after):
    response = answer(429, body, {} if retry_after is None else {"Retry-After": retry_after})
    error = CartoResponseException.from_response(response)
    assert (type(error), error.kind) == (expected, kind)
    assert not isinstance(error, CartoRateLimitException)
    assert not CartoRateLimitException.is_rate_limited(response)


def test_other_statuses_are_no_rate_limit():
    assert not CartoRateLimitException.is_rate_limited(answer(503, b"", {"Retry-After": "7"}))


@pytest.mark.parametrize(("header", "seconds"), [
    ("0", 0), ("7", 7), (" 7 ", 7), ("0.2", 1), ("7.0", 7), ("7.01", 8), ("007", 7), (None, None), ("", None),
    ("-1", None), ("-0.5", None), ("+7", None), ("1e3", None), ("soon", None), ("7 s", None), ("0x7", None),
    ("\u0667", None), ("9" * 400, None), ("Fri, 99 Foo 2026 99:99:99 GMT", None), ("nan", None), ("inf", None),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
])
def test_retry_after(header, seconds):
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])
def test_retry_after_as_a_date(zone):
    date = email.utils.formatdate(time.time() + 30).replace("-0000", zone)
    assert 28 <= retry_after_seconds(date) <= 31


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{2}:\d{2}:\d{2} [-+]\d{4}"))
def test_no_retry_after_header_raises(header):
    seconds = retry_after_seconds(header)
    assert seconds is None or seconds >= 0


# --- no answer


REQUESTS_CLASSES = sorted((cls for _, cls in inspect.getmembers(requests.exceptions, inspect.isclass)
                           if issubclass(cls, requests.RequestException)), key=lambda cls: cls.__name__)
TIMEOUTS = {"Timeout", "ConnectTimeout", "ReadTimeout"}
CONNECTION = {"ConnectionError", "ProxyError", "SSLError", "ChunkedEncodingError", "ContentDecodingError"}
REFUSED = {"MissingSchema", "InvalidSchema", "InvalidURL", "InvalidProxyURL", "InvalidHeader", "InvalidJSONError"}
OTHERS = {"RequestException", "HTTPError", "TooManyRedirects", "RetryError", "StreamConsumedError",
          "UnrewindableBodyError", "URLRequired", "JSONDecodeError"}


def test_every_class_of_requests_is_sorted():
    assert {cls.__name__ for cls in REQUESTS_CLASSES} == TIMEOUTS | CONNECTION | REFUSED | OTHERS


@pytest.mark.parametrize("cls", REQUESTS_CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_of_requests_is_mapped(cls):
    arguments = ("bad", "doc with SECRETKEY", 0) if cls is requests.JSONDecodeError else (f"failed at {URL}",)
    original = cls(*arguments)
    original.request = answer(200).request
    error = transport_error(original, "Change this.")
    groups = {CartoTimeoutException: TIMEOUTS, CartoConnectionException: CONNECTION, CartoUsageException: REFUSED,
              CartoTransportException: OTHERS}
    expected = next(ours for ours, names in groups.items() if cls.__name__ in names)
    assert type(error) is expected
    if cls is not requests.JSONDecodeError:
        assert type(error.args[0]) is cls
    assert error.args[0].request.url == "https://me.carto.com/api/v2/sql?api_key=***&q=select+1"
    assert str(error).endswith("Change this.")
    assert "SECRETKEY" not in repr(vars(error.args[0])) + repr(error) + str(error)
    assert error.args[0] is not original


@pytest.mark.parametrize(("original", "ours", "theirs"), [
    (urllib3.exceptions.ReadTimeoutError(None, "/x", "slow"), CartoTimeoutException, requests.ReadTimeout),
    (urllib3.exceptions.ProtocolError("broken"), CartoConnectionException, requests.ConnectionError),
    (urllib3.exceptions.IncompleteRead(1, 2), CartoConnectionException, requests.ConnectionError),
    (urllib3.exceptions.SSLError("bad"), CartoConnectionException, requests.exceptions.SSLError),
    (urllib3.exceptions.DecodeError("bad"), CartoConnectionException, requests.exceptions.ContentDecodingError),
    (OSError("pipe"), CartoConnectionException, requests.ConnectionError),
    (ConnectionResetError(), CartoConnectionException, requests.ConnectionError),
])
def test_what_comes_from_below_requests(original, ours, theirs):
    error = transport_error(original)
    assert type(error) is ours
    assert type(error.args[0]) is theirs
    assert str(error)


def test_subclasses_that_are_made_differently():
    request = answer(200).request
    class Theirs(requests.ConnectionError):
        def __init__(self, request, code):
            super().__init__(f"{code} at {request.url}", request=request)

    error = transport_error(Theirs(request, 7))
    assert type(error) is CartoConnectionException
    assert type(error.args[0]) is requests.ConnectionError
    assert "SECRETKEY" not in str(error)


def test_an_http_error_with_its_answer_is_an_answer():
    response = answer(404, {"errors": "gone"})
    with pytest.raises(requests.HTTPError) as caught:
        response.raise_for_status()
    assert type(transport_error(caught.value)) is CartoNotFoundException


# --- pickling


def examples():
    yield CartoException("text", 7)
    yield CartoUsageException("wrong")
    yield CartoJobException("failed", "id-1", "failed", "because", {"job_id": "id-1"})
    for cls in (CartoConnectionException, CartoTimeoutException, CartoTransportException):
        original = {CartoConnectionException: requests.ConnectionError, CartoTimeoutException: requests.ReadTimeout,
                    CartoTransportException: requests.TooManyRedirects}[cls]("x")
        original.request = answer(200).request
        error = transport_error(original)
        assert type(error) is cls
        yield error
    for status in (302, 400, 401, 403, 404, 422, 500, 503):
        yield raised(status, {"error": ["no"], "hint": "h"}, {"Date": "today"})
    yield raised(429, {"error": ["slow"]}, RATE_HEADERS)
    yield raised(429, {"error": ["over"], "detail": "datasource"})
    yield raised(429, {"errors": {"imports": "slots"}})
    yield CartoInvalidResponseException(answer(200, b"<html>"))
    yield CartoPartialResultException(answer(200, {"error": ["cut"]}), rows=[{"a": 1}], received=3)


EXAMPLES = list(examples())


def test_the_examples_are_of_every_class():
    assert {type(error).__name__ for error in EXAMPLES} == set(carto.exceptions.__all__)


def plain(value):
    """Make attributes comparable that have no equality of their own."""
    if isinstance(value, BaseException):
        return type(value), plain(value.args), plain(vars(value))
    if isinstance(value, requests.PreparedRequest):
        return value.method, value.url, dict(value.headers), value.body
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: f"{type(error).__name__}-{error!s:.12}")
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_every_exception_survives_pickling(error, protocol):
    data = pickle.dumps(error, protocol)
    assert b"SECRETKEY" not in data
    back = pickle.loads(data)
    assert plain(back) == plain(error)
    assert (str(back), repr(back)) == (str(error), repr(error))


def test_a_job_exception_is_pickled_without_the_client_of_its_job():
    job = FileImportJob(None, APIKeyAuthClient("https://me.carto.com/", "SECRETKEY"))
    job.update_from_dict({"item_queue_id": "id-1", "state": "failure"})
    error = CartoJobException("the job failed", "id-1", "failure", "because", job)
    data = pickle.dumps(error)
    back = pickle.loads(data)
    assert b"SECRETKEY" not in data
    assert (type(back), str(back)) == (CartoJobException, "the job failed")
    assert (back.job_id, back.state, back.reason) == ("id-1", "failure", "because")
    assert (back.job.client, back.job.state) == (None, "failure")


def test_a_job_that_cannot_be_pickled_stays_behind():
    error = CartoJobException("the job failed", "id-1", "failed", None, {"lines": (line for line in "")})
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.job_id, back.job) == (CartoJobException, "id-1", None)


def test_rows_before_an_error_are_not_searched_for_secrets(monkeypatch):
    seen = []
    monkeypatch.setattr(carto.exceptions, "redact_value", lambda value, secrets: seen.append(value) or value)
    body = {"rows": [{"a": "row"}] * 1000, "error": ["cut"], "hint": "h"}
    error = CartoPartialResultException(answer(200, body), rows=body["rows"])
    assert seen == [{"error": ["cut"], "hint": "h"}]
    assert (error.errors, error.hint, len(error.rows)) == (["cut"], "h", 1000)


def test_job_exception():
    error = CartoJobException("the job failed", "id-1", "failed", "because", {"a": 1})
    assert (error.job_id, error.state, error.reason, error.job) == ("id-1", "failed", "because", {"a": 1})
    assert (str(error), error.args) == ("the job failed", ("the job failed",))


def test_a_usage_error_can_be_caught_as_a_value_error():
    with pytest.raises(ValueError, match="wrong"):
        raise CartoUsageException("wrong")
