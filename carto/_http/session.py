"""Send one call: prepare it, hand it to the session, retry it, and follow redirects that stay at home.

`Sender` is what the auth clients wrap. It works with any requests session,
through ``session.send``, so that hooks, cookies, mounted adapters and mocks
see every request.
"""

from __future__ import annotations

import functools
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin
from urllib.request import getproxies

import requests
import urllib3
from requests import PreparedRequest, Response
from requests import exceptions as requests_exceptions
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3.util import parse_url

from carto._http import timeouts
from carto._http.preparation import prepare
from carto._http.redaction import redact, secrets_of
from carto._http.retry import DEFAULT_RETRIES, Retries
from carto._http.streams import UploadBody, position
from carto._http.timeouts import UNSET, Timeout, Unset
from carto._http.upload import UploadAdapter, watching_session
from carto.exceptions import (
    CartoRateLimitException,
    CartoResponseException,
    CartoUsageException,
    is_timeout,
    transport_error,
)

log = logging.getLogger("carto")

#: Connections that one client keeps open: as many threads may share it without opening new ones.
POOL_SIZE = 64
_MAX_REDIRECTS = 5
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ssl_lock = threading.Lock()


def shared_ssl_context(ca_bundle: str) -> ssl.SSLContext:
    """Load a bundle of certificates once a process: loading it costs more than a whole request."""
    with _ssl_lock:
        return _load_ssl_context(ca_bundle)


@functools.lru_cache(maxsize=8)
def _load_ssl_context(ca_bundle: str) -> ssl.SSLContext:
    context = urllib3.util.ssl_.create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        if os.path.isdir(ca_bundle):
            context.load_verify_locations(capath=ca_bundle)
        else:
            context.load_verify_locations(cafile=ca_bundle)
    except OSError as error:
        raise CartoUsageException(f"no certificates can be read from {ca_bundle!r} ({error}): "
                                  "correct verify, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE") from error
    return context


class PooledAdapter(UploadAdapter):
    """requests' adapter with a pool sized for threads and one SSLContext a process."""

    def __init__(self) -> None:
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE)

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any,
                                             cert: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give every verified connection the process's context in place of a bundle to load."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify and not cert:
            pool = {"cert_reqs": "CERT_REQUIRED",
                    "ssl_context": shared_ssl_context(DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify))}
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave a pool alone that has the process's context; urllib3 would load the bundle again."""
        if conn.conn_kw.get("ssl_context") is None:
            super().cert_verify(conn, url, verify, cert)

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Have a body that ends too early raised, as urllib3 2 does by itself and 1.26 does not."""
        resp.enforce_content_length = True
        return super().build_response(req, resp)


def new_session() -> requests.Session:
    """Make the session of a client that was given none."""
    session = requests.Session()
    adapter = PooledAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have the same scheme, host and port; a broken URL is at no origin."""
    try:
        return _origin(one) == _origin(other)
    except urllib3.exceptions.LocationParseError:
        return False


def is_replayable(data: Any) -> bool:
    """Tell whether a body can be sent a second time: files that can seek, and anything but an iterator."""
    if isinstance(data, UploadBody):
        return data.replayable
    if hasattr(data, "read"):
        return position(data) is not None
    if isinstance(data, Mapping):
        return all(is_replayable(value) for value in data.values())
    if isinstance(data, (list, tuple)):
        return all(is_replayable(value) for value in data)
    return data is None or isinstance(data, (str, bytes)) or not isinstance(data, Iterator)


class Sender:
    """Sends the calls of one client, with its timeout and its number of retries."""

    def __init__(self, timeout: Timeout | Unset = UNSET, retries: int | None = None) -> None:
        if retries is not None and (not isinstance(retries, int) or retries < 0):
            raise CartoUsageException(f"retries must be a number from 0 upwards, not {retries!r}")
        self.timeout = timeouts.checked(timeout)
        self.retries = DEFAULT_RETRIES if retries is None else retries
        self._environment: tuple[dict[str, str], str | None] | None = None
        self._lock = threading.Lock()

    def send(self, session: requests.Session, method: str, url: str, *, timeout: Timeout | Unset = UNSET,
             idempotent: bool = False, **requests_args: Any) -> Response:
        """Send a call until there is an answer that counts.

        Args:
            session: The session that makes the connection.
            method: The verb.
            url: The whole URL, without the parameters of `requests_args`.
            timeout: Seconds; see `timeouts.effective`.
            idempotent: Whether the call may be sent again when it may have been carried out.
            **requests_args: What `requests.Session.request` takes.

        Returns:
            The answer, whatever its status.

        Raises:
            CartoRateLimitException: The server asks to come back later than the attempts allow.
            CartoTransportException: No answer came.
        """
        bodies = _Bodies(requests_args)
        attempts = Retries(self.retries, bodies.replayable, idempotent)
        limit = timeouts.effective(timeouts.checked(timeout), self.timeout)
        while True:
            outcome = self._attempt(session, method, url, limit, requests_args)
            wait = attempts.wait_after(outcome)
            if wait is None:
                return _settled(outcome, limit)
            attempts.pause(wait, outcome)
            bodies.rewind()

    def _attempt(self, session: requests.Session, method: str, url: str, timeout: Timeout,
                 args: dict[str, Any]) -> Response | Exception:
        """Return the failure instead of raising it: raised later, it does not hold the original as its context."""
        try:
            return self._send_once(session, method, url, timeout, args)
        except (requests_exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            log.debug("carto: %s %s -> no answer (%s)", method.upper(), redact(url), type(error).__name__)
            return error

    def _send_once(self, session: requests.Session, method: str, url: str, timeout: Timeout,
                   args: dict[str, Any]) -> Response:
        """Send a request, and after it the redirects that it may follow."""
        history: list[Response] = []
        while True:
            response = self._exchange(session, method, url, timeout, args)
            if not response.is_redirect or args.get("allow_redirects") is False:
                response.history = history or response.history
                return response
            try:
                url = _redirect_target(response, method, url, len(history))
            finally:
                response.close()
            args = {name: value for name, value in args.items() if name != "params"}
            history.append(response)

    def _exchange(self, session: requests.Session, method: str, url: str, timeout: Timeout,
                  args: dict[str, Any]) -> Response:
        request = prepare(session, method, url, args)
        settings = self._settings(session, url, args)
        started = time.perf_counter()
        with watching_session(session, request) as session:
            response = _sent(session, request, timeout=timeout, **settings)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("carto: %s %s -> %s in %.3f s", request.method, redact(request.url or "", secrets_of(request)),
                      response.status_code, time.perf_counter() - started)
        return response

    def _settings(self, session: requests.Session, url: str, args: dict[str, Any]) -> dict[str, Any]:
        """Join what the call, the session and the environment say of proxies, certificates and streaming."""
        proxies, ca_bundle = self._environment or self._read_environment(session, url)
        verify, stream = args.get("verify"), args.get("stream")
        if verify is None:
            verify = session.verify
        return {
            "proxies": {**proxies, **session.proxies, **(args.get("proxies") or {})},
            "verify": (ca_bundle or True) if verify is True else verify,
            "cert": args.get("cert") or session.cert,
            "stream": session.stream if stream is None else stream,
        }

    def _read_environment(self, session: requests.Session, url: str) -> tuple[dict[str, str], str | None]:
        """Read proxies and CA variables once: reading them at every call is a quarter of requests' time."""
        with self._lock:
            if self._environment is None:
                some = session.trust_env and getproxies()  # without any, no host needs to be compared with no_proxy
                proxies: dict[str, str] = get_environ_proxies(url, no_proxy=None) if some else {}
                names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if session.trust_env else ()
                self._environment = proxies, next(filter(None, map(os.environ.get, names)), None)
            return self._environment


def _sent(session: requests.Session, request: PreparedRequest, **settings: Any) -> Response:
    """Send one request, and give the answer also where it is a redirect that requests can't follow.

    requests prepares the next request although nobody wants it, and stumbles over a broken Location.
    """
    answers: list[Response] = []

    def keep(answer: Response, **_settings: Any) -> None:
        answers.append(answer)

    request.register_hook("response", keep)
    try:
        return session.send(request, allow_redirects=False, **settings)
    except (ValueError, requests_exceptions.RequestException):
        if not answers or not answers[-1].is_redirect:
            raise
        return answers[-1]
    finally:
        request.deregister_hook("response", keep)
        answers.clear()  # a cycle would hold the answer


class _Bodies:
    """The body of a call, to be sent again from where it began."""

    def __init__(self, args: dict[str, Any]) -> None:
        parts = [args.get("data"), args.get("files")]
        self.replayable = all(is_replayable(part) for part in parts)
        self._starts = [(file, file.tell()) for file in _files_in(parts)] if self.replayable else []

    def rewind(self) -> None:
        for file, start in self._starts:
            file.seek(start)


def _files_in(value: Any) -> Iterator[Any]:
    if hasattr(value, "read") and hasattr(value, "seek"):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _files_in(item)


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    """Read an origin with urllib3's parser, which decides where requests go: others see another host in some URLs."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or _DEFAULT_PORTS.get(parts.scheme or "")


def _redirect_target(response: Response, method: str, url: str, followed: int) -> str:
    """Follow a redirect only where it can do no harm: a read, at the same origin, a few times."""
    target = _joined(url, response.headers["Location"])
    secrets = secrets_of(response.request)
    if method.lower() not in ("get", "head"):
        problem = f"a {method.upper()} is not sent again elsewhere"
    elif not same_origin(url, target):
        problem = "that is another host, or another scheme, than base_url"
    elif followed >= _MAX_REDIRECTS:
        problem = f"after {_MAX_REDIRECTS} redirects this is one too many"
    else:
        return target
    raise CartoResponseException(
        response, f"the server redirects to {redact(target, secrets)}, and {problem}: check base_url")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # a broken address, which is at no origin
        return location


def _settled(outcome: Response | Exception, timeout: Timeout) -> Response:
    """Return the last answer, or raise the last failure as one of ours."""
    if isinstance(outcome, Response):
        if CartoRateLimitException.is_rate_limited(outcome):
            raise CartoRateLimitException(outcome)
        return outcome
    error = transport_error(outcome, timeouts.hint(timeout) if is_timeout(outcome) else "")
    raise error from error.args[0]
