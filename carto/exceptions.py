"""What can go wrong, by cause.

The tree::

    CartoException
      CartoTransportException             no answer
        CartoConnectionException          the connection could not be made, or broke
        CartoTimeoutException             a timeout of ours ran out
      CartoResponseException              an answer that is an error
        CartoBadRequestException          400
        CartoUnauthorizedException        401
        CartoForbiddenException           403
        CartoNotFoundException            404
        CartoUnprocessableException       422
        CartoServerException              5xx
        CartoRateLimitException           429 that says when to come back (Retry-After)
        CartoLimitException               429 that does not: a limit of the platform
          CartoQueryTimeoutException      the statement ran too long and was stopped
        CartoInvalidResponseException     2xx that is not what was asked for
        CartoPartialResultException       2xx that turned into an error on its way
      CartoJobException                   a job failed, was cancelled, or took too long
      CartoUsageException                 refused before any request (also a ValueError)

Every class for an answer also derives from pyrestcli's class for its status, and
``args[0]`` is an instance of exactly that pyrestcli class (of a requests class
where no answer came), because callers written for carto-python look at it.
All of them can be pickled, and none of them holds a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, cast

import requests
import urllib3
from pyrestcli import exceptions as pyrestcli_exceptions
from requests import exceptions as requests_exceptions
from requests.structures import CaseInsensitiveDict

from carto._http.redaction import redact, redact_headers, redact_value, redacted_request, secrets_of

__all__ = [
    "CartoBadRequestException",
    "CartoConnectionException",
    "CartoException",
    "CartoForbiddenException",
    "CartoInvalidResponseException",
    "CartoJobException",
    "CartoLimitException",
    "CartoNotFoundException",
    "CartoPartialResultException",
    "CartoQueryTimeoutException",
    "CartoRateLimitException",
    "CartoResponseException",
    "CartoServerException",
    "CartoTimeoutException",
    "CartoTransportException",
    "CartoUnauthorizedException",
    "CartoUnprocessableException",
    "CartoUsageException",
]


def _restore(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Rebuild a pickled exception without calling its constructor, which wants a response."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class CartoException(Exception):
    """The root of everything this package raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))


class CartoUsageException(CartoException, ValueError):
    """Something was asked for that cannot work; no request was sent."""


class CartoTransportException(CartoException):
    """No answer came.

    ``args[0]`` is the requests exception, with its request redacted.
    """


class CartoConnectionException(CartoTransportException):
    """The connection could not be made, or it broke before the answer was complete."""


class CartoTimeoutException(CartoTransportException):
    """A timeout of the client ran out.

    The server may still carry out what it was asked to do. The text names the
    setting to change.
    """


class CartoJobException(CartoException):
    """A job (batch query, import, synchronization, export) failed, was cancelled or took too long.

    Attributes:
        job_id: The id of the job, to read or resume it later.
        state: The last state that the server told.
        reason: The server's reason, or None.
        job: The last answer about the job; pickles are without its client, or without it where it can't be pickled.
    """

    def __init__(self, message: str, job_id: str | None, state: str | None,
                 reason: str | None = None, job: Any = None) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.state = state
        self.reason = reason
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, {**self.__dict__, "job": _picklable(self.job)})


def _picklable(job: Any) -> Any:
    """Give None in place of a job that can't be pickled, so that the rest can."""
    import pickle  # few programs do

    try:
        pickle.dumps(job)
    except Exception:  # noqa: BLE001  # whatever the job's parts raise
        return None
    return job


class CartoResponseException(CartoException, pyrestcli_exceptions.BaseException):
    """The server answered with an error.

    ``str()`` is the server's own text.

    Attributes:
        status_code: The HTTP status.
        errors: The server's messages, at least one.
        context: What kind of error the server says it is, such as ``limit``, or None.
        detail: The server's detail, or None.
        hint: The server's hint, or None.
        errors_with_context: For maps: an object for each error, with its type, layer and place.
        position: Where in the SQL text the error is (1 is the first character), or None.
        marker: The line of the SQL text at that place with a caret below it, or None.
        method: The request's verb.
        url: The request's URL, without its secrets.
        headers: The answer's headers.
    """

    def __init__(self, response: requests.Response, message: str | None = None) -> None:
        request = cast("requests.PreparedRequest | None", getattr(response, "request", None))
        secrets = secrets_of(request)
        body = _error_body(response, secrets)
        self.status_code: int = response.status_code
        self.errors: list[str] = [redact(message, secrets)] if message else _messages(body, response)
        self.context: Any = body.get("context")
        self.detail: Any = body.get("detail")
        self.hint: Any = body.get("hint")
        self.errors_with_context: list[Any] = body.get("errors_with_context") or []
        self.position: int | None = _int_or_none(body.get("position"))
        self.marker: str | None = None
        self.method: str | None = request.method if request is not None else None
        self.url: str = redact(response.url or "", secrets)
        self.headers: CaseInsensitiveDict[str] = redact_headers(response.headers, secrets)
        self.reason: str | None = redact(response.reason or "", secrets) or None
        original = self.errors[0] if message else body.get("error") or body.get("errors") or self.errors
        self.args = (self._pyrestcli_exception(original),)

    def _pyrestcli_exception(self, message: Any) -> Any:
        name = pyrestcli_exceptions.ERRORS.get(self.status_code, "BaseException")
        create = getattr(pyrestcli_exceptions, name)
        return create(message, self.status_code, self.headers, self.reason, self.url)

    def __str__(self) -> str:
        lines = ["; ".join(self.errors)]
        if self.context != "limit":  # there the detail is a code, told apart by the class
            lines += [f"{label}: {text}" for label, text in (("Detail", self.detail), ("Hint", self.hint)) if text]
        if self.marker:
            lines.append(self.marker)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status_code}, {'; '.join(self.errors)!r})"

    @classmethod
    def from_response(cls, response: requests.Response) -> CartoResponseException:
        """Choose the class for an answer with an error status.

        Args:
            response: An answer whose status is 300 or more.

        Returns:
            The exception, to be raised by the caller.
        """
        if response.status_code == 429:
            return _limit_class(response)(response)
        if response.status_code >= 500:
            return CartoServerException(response)
        return _BY_STATUS.get(response.status_code, CartoResponseException)(response)


class CartoBadRequestException(CartoResponseException, pyrestcli_exceptions.BadRequestException):
    """400: the server refused the request; for SQL, PostgreSQL's own message."""


class CartoUnauthorizedException(CartoResponseException, pyrestcli_exceptions.UnauthorizedErrorException):
    """401: the API key is not known."""


class CartoForbiddenException(CartoResponseException, pyrestcli_exceptions.ForbiddenErrorException):
    """403: the API key may not do this, or belongs to another user."""


class CartoNotFoundException(CartoResponseException, pyrestcli_exceptions.NotFoundException):
    """404: no such user, resource or endpoint."""


class CartoUnprocessableException(CartoResponseException, pyrestcli_exceptions.UnprocessableEntityError):
    """422: the server understood the request and its values are not acceptable."""


class CartoServerException(CartoResponseException, pyrestcli_exceptions.ServerErrorException):
    """5xx: the server failed."""


class CartoRateLimitException(CartoResponseException, pyrestcli_exceptions.RateLimitException):
    """429 with Retry-After: too many calls in too short a time; nothing was executed.

    Attributes:
        limit: Calls that the limit allows, or None when the server did not say.
        remaining: Calls left, or None.
        retry_after: Seconds to wait before the next call.
        reset: Seconds until the limit is whole again, or None.
    """

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response)
        headers = response.headers
        self.limit: int | None = _int_or_none(headers.get("Carto-Rate-Limit-Limit"))
        self.remaining: int | None = _int_or_none(headers.get("Carto-Rate-Limit-Remaining"))
        self.retry_after: int | None = retry_after_seconds(headers.get("Retry-After"))
        self.reset: int | None = _int_or_none(headers.get("Carto-Rate-Limit-Reset"))

    @staticmethod
    def is_rate_limited(response: requests.Response) -> bool:
        """Tell whether an answer is a rate limit: a 429 that says when to come back."""
        return (response.status_code == 429
                and retry_after_seconds(response.headers.get("Retry-After")) is not None)


class CartoLimitException(CartoResponseException, pyrestcli_exceptions.RateLimitException):
    """429 without Retry-After: a limit of the platform; waiting does not help.

    Attributes:
        kind: The server's word for the limit, such as ``datasource``, ``render`` or ``imports``, or None.
    """

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response)
        self.kind: str | None = _limit_kind(response)


class CartoQueryTimeoutException(CartoLimitException):
    """The statement ran longer than the account allows and was stopped; never repeated on its own."""


class CartoInvalidResponseException(CartoResponseException):
    """The server answered with a success that is not what was asked for: HTML, or broken JSON."""

    def __init__(self, response: requests.Response, message: str | None = None) -> None:
        super().__init__(response, message or _describe_unreadable(response))


class CartoPartialResultException(CartoResponseException):
    """An answer began as a success and ended in an error: what arrived is not the whole.

    Attributes:
        rows: The rows of a query that arrived before the error.
        received: The bytes of a COPY TO that were handed over before the error.
    """

    def __init__(self, response: requests.Response, message: str | None = None,
                 rows: list[Any] | None = None, received: int = 0) -> None:
        super().__init__(response, message)
        self.rows: list[Any] = rows or []
        self.received = received


#: What is read of the body of an error; rows that came before it are not.
_ERROR_FIELDS = ("error", "errors", "message", "description", "context", "detail", "hint", "position",
                 "errors_with_context")

#: What limits on maps are answered with, in place of a text.
_BINARY_TYPES = frozenset({"application/x-protobuf", "image/png", "image/jpeg"})

#: How urllib3 writes a connection, or a pool of them, before what happened to it.
_POOL = r"(?:\w+\(host='([^']*)', port=(\w+)\)|<[^>]* object at 0x\w+>): "

_BY_STATUS: dict[int, type[CartoResponseException]] = {
    400: CartoBadRequestException,
    401: CartoUnauthorizedException,
    403: CartoForbiddenException,
    404: CartoNotFoundException,
    422: CartoUnprocessableException,
}


def transport_error(error: Exception, hint: str = "") -> CartoException:
    """Choose the class for an exception of requests or urllib3.

    Args:
        error: What was caught.
        hint: A sentence to add, such as the name of the setting that ran out.

    Returns:
        Our exception; its ``args[0]`` is a copy of the requests exception that
        holds no secret. Raise it outside of the ``except`` block, so that the
        original is not held as its context.
    """
    if isinstance(error, urllib3.exceptions.HTTPError) and not isinstance(error, requests_exceptions.RequestException):
        error = _as_requests_exception(error)
    response = getattr(error, "response", None)
    if isinstance(error, requests_exceptions.HTTPError) and response is not None:
        return CartoResponseException.from_response(response)
    request = getattr(error, "request", None)
    text = redact(_plain_text(error) or type(error).__name__, secrets_of(request))
    text = f"{text}. {hint}" if hint else text
    copy = _requests_class(error)(text)
    copy.request = redacted_request(request)
    return _transport_class(error)(copy)


def is_timeout(error: Exception) -> bool:
    """Tell whether a timeout ran out: within a body, requests calls it a ConnectionError."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests_exceptions.Timeout) or (
        isinstance(error, requests_exceptions.ConnectionError)
        and isinstance(cause, urllib3.exceptions.ReadTimeoutError))


def retry_after_seconds(header: str | None) -> int | None:
    """Read a Retry-After header, in seconds or as an HTTP date.

    Args:
        header: The header's text, or None when it was not there.

    Returns:
        Seconds to wait, rounded up and never negative, or None when the header is missing or unreadable.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]+)?", text):
        return math.ceil(float(text))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return max(0, math.ceil((moment - datetime.now(timezone.utc)).total_seconds()))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def error_messages(body: Any) -> list[str]:
    """Collect the messages of an error body: CARTO's servers write them as text, as a list or as objects."""
    if isinstance(body, dict):
        body = body.get("error") or body.get("errors") or body.get("message") or body.get("description")
    return [text for text in _texts_in(body) if text.strip()]


def _texts_in(value: Any) -> Iterator[str]:
    """Go through texts, lists of them, objects with a message, and objects of what failed and why."""
    if isinstance(value, dict):
        value = [value["message"]] if "message" in value else list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif value is not None:
        yield str(value)


def _limit_class(response: requests.Response) -> type[CartoResponseException]:
    if CartoRateLimitException.is_rate_limited(response):
        return CartoRateLimitException
    return CartoQueryTimeoutException if _limit_kind(response) == "datasource" else CartoLimitException


def _limit_kind(response: requests.Response) -> str | None:
    """Find the word for a limit: the SQL API's detail, the Maps API's subtype or the Import API's field."""
    body = _error_body(response)
    contexts = body.get("errors_with_context")
    if isinstance(contexts, list) and contexts and isinstance(contexts[0], dict):
        return _text_or_none(contexts[0].get("subtype"))
    if isinstance(body.get("errors"), dict):
        return next(iter(body["errors"]), None)
    return _text_or_none(body.get("detail"))


def _error_body(response: requests.Response, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Read the body of an error as an object without secrets; a list or a text becomes its ``errors``."""
    try:
        body = response.json()
        told = {name: body[name] for name in _ERROR_FIELDS if name in body} if isinstance(body, dict) else (
            {"errors": body})
        return cast("dict[str, Any]", redact_value(told, secrets))
    except (ValueError, RuntimeError, requests_exceptions.RequestException):
        return {}


def _messages(body: dict[str, Any], response: requests.Response) -> list[str]:
    return error_messages(body) or [_describe_unreadable(response)]


def _describe_unreadable(response: requests.Response) -> str:
    """Say what came instead of JSON, in one line and without pasting a page of HTML."""
    secrets = secrets_of(getattr(response, "request", None))
    status = redact(f"{response.status_code} {response.reason or ''}".strip(), secrets)
    try:
        text = redact(response.text, secrets)
    except (RuntimeError, requests_exceptions.RequestException):
        return f"{status}: the answer could not be read"
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind in _BINARY_TYPES:
        return f"{status}: the answer is {len(response.content)} bytes of {kind}"
    if "<html" in text[:1000].lower():
        says = redact(_text_of_html(text), secrets)[:200]
        return f"{status}: the answer is a page of HTML that says: {says!r}"
    if text.strip("{}[] \t\r\n"):
        return f"{status}: {text.strip()[:500]}"
    return f"{status}: the answer{redact(_asked(response), secrets)} is empty"


def _asked(response: requests.Response) -> str:
    """Say what an answer answers, without the parameters of the URL."""
    method = getattr(getattr(response, "request", None), "method", None)
    return f" to {method} {response.url.partition('?')[0]}" if method and response.url else ""


def _text_of_html(page: str) -> str:
    words = re.sub(r"(?is)<(script|style|title).*?</\1>|<[^>]*>", " ", page)
    from html import unescape  # its table of entities is large, and few programs meet such an answer

    return " ".join(unescape(words).split())


def _int_or_none(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _plain_text(error: Exception) -> str:
    """Say what failed and where, without the objects of urllib3 that requests shows."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, urllib3.exceptions.MaxRetryError) and cause.reason is not None:
        return f"no connection to {cause.pool.host}:{cause.pool.port}: {re.sub(_POOL, '', _joined_args(cause.reason))}"
    text = _joined_args(cause) if isinstance(cause, urllib3.exceptions.ProtocolError) else str(error)
    return re.sub(_POOL, r"\1:\2: ", text)


def _joined_args(error: Exception) -> str:
    return ": ".join(str(each).rstrip(".") for each in error.args if isinstance(each, (str, Exception)))


def _as_requests_exception(error: urllib3.exceptions.HTTPError) -> requests_exceptions.RequestException:
    """Translate what urllib3 raises while a raw body is read, as requests does for its own reads."""
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return requests_exceptions.ReadTimeout(str(error))
    if isinstance(error, urllib3.exceptions.SSLError):
        return requests_exceptions.SSLError(str(error))
    if isinstance(error, urllib3.exceptions.DecodeError):
        return requests_exceptions.ContentDecodingError(str(error))
    return requests_exceptions.ConnectionError(str(error))


def _requests_class(error: Exception) -> type[requests_exceptions.RequestException]:
    """Find the class of requests that can be made from a text: subclasses elsewhere want other arguments."""
    for known in type(error).__mro__:
        is_of_requests = known.__module__ == "requests.exceptions"
        if is_of_requests and issubclass(known, requests_exceptions.RequestException) and (
                known is not requests_exceptions.JSONDecodeError):
            return known
    return requests_exceptions.ConnectionError


def _transport_class(error: Exception) -> type[CartoException]:
    if is_timeout(error):
        return CartoTimeoutException
    connection = (requests_exceptions.ConnectionError, requests_exceptions.ChunkedEncodingError,
                  requests_exceptions.ContentDecodingError)
    if isinstance(error, connection) or not isinstance(error, requests_exceptions.RequestException):
        return CartoConnectionException
    # requests marks what it refuses before sending (a bad URL, a bad header, NaN in JSON) by these two
    refused = isinstance(error, (ValueError, requests_exceptions.InvalidJSONError))
    is_answer = isinstance(error, requests_exceptions.JSONDecodeError)
    return CartoUsageException if refused and not is_answer else CartoTransportException
