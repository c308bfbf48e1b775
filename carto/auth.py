"""Auth clients: who is asking, with which key, and at which address.

A client wraps one requests session and is injected into everything else::

    auth_client = APIKeyAuthClient("https://me.carto.com/", "my API key")
    sql = SQLClient(auth_client)

Clients may be shared between threads. They can be used as context managers,
which close the session that the client made itself.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import requests
from pyrestcli import exceptions as pyrestcli_exceptions
from pyrestcli.auth import BaseAuthClient, BasicAuthClient
from pyrestcli.auth import NoAuthClient as PyrestcliNoAuthClient
from requests import PreparedRequest, Response
from requests.auth import AuthBase, HTTPBasicAuth

from carto import __version__
from carto._http.redaction import redact
from carto._http.session import Sender, new_session, same_origin
from carto._http.timeouts import UNSET, DefaultTimeout, Timeout, Unset
from carto.exceptions import (
    CartoException,
    CartoInvalidResponseException,
    CartoResponseException,
    CartoUsageException,
    transport_error,
)
from carto.exceptions import CartoRateLimitException as CartoRateLimitException  # scripts import it from here, too

_BASE_URL_FORMS = ("https://USER.carto.com/, https://ORGANIZATION.carto.com/user/USER/ "
                   "or https://YOUR.SERVER/user/USER/")
#: Hosts of CARTO's cloud, where the first label of the host is the user's name.
_CLOUD_DOMAINS = ("carto.com", "cartodb.com")
#: The first part of the paths of CARTO's own pages: a URL copied from the browser ends before it.
_PAGES = frozenset({"me", "api", "dashboard", "dataset", "datasets", "tables", "table", "viz", "maps", "map", "builder",
                    "account", "profile", "organization", "your_apps", "login", "u"})
_API_KEY_PLACES = ("auto", "header", "query")

_Client = TypeVar("_Client", bound="_CartoClient")


class SendsRequests(Protocol):
    """What every manager and client of this package needs to be given: anything with carto-python's `send`."""

    def send(self, relative_path: str, http_method: str, **requests_args: Any) -> Response:
        """Send a request to a path below the base URL."""


class _Options(NamedTuple):
    """What `send_with` asks of a call besides its arguments."""

    client: SendsRequests
    method: str
    timeout: Timeout | Unset
    idempotent: bool
    api_key_in: str | None


#: The options of a call that goes through a `send` of the caller's own, which does not know them; see `send_with`.
_passed_by: ContextVar[_Options | None] = ContextVar("carto_options", default=None)


class _UsernameGetter:
    """Finds the user's name in a base URL."""

    def get_user_name(self, base_url: str) -> str:
        """Read the user's name from a base URL: ``/user/NAME`` in its path, else the first label of its host.

        Args:
            base_url: An address such as ``https://NAME.carto.com/`` or ``https://ORG.carto.com/user/NAME/``.

        Returns:
            The name.

        Raises:
            CartoException: There is no name in it.
        """
        name = _name_in_path(base_url) or _name_in_host(base_url)
        if name is None:
            raise CartoUsageException(f"there is no user name in the base URL {redact(base_url)!r}: "
                                      f"write it as {_BASE_URL_FORMS}, or pass username=")
        return name


class _BaseUrlChecker:
    """Brings base URLs into the form that requests are built on."""

    def check_base_url(self, base_url: str) -> str:
        """Normalise a base URL as people paste it.

        Args:
            base_url: With or without trailing slash, page (``/me``) or API path.

        Returns:
            The URL, ending in a slash.

        Raises:
            CartoException: It is not an HTTP address.
        """
        url = _normalised(base_url)
        if url.startswith("http:") and not _is_loopback(urlsplit(url).hostname or ""):
            warnings.warn("The API key is sent unencrypted: use an https:// base URL", stacklevel=3)
        return url


class _ClientIdentifier:
    """Tells the server which library is calling."""

    CARTO_VERSION = __version__

    def get_user_agent(self, name: str = "carto-python-sdk") -> str:
        """Form the User-Agent header, such as ``carto-python-sdk/2.0.0``."""
        return f"{name}/{self.CARTO_VERSION}"

    def get_client_identifier(self, prefix: str = "cps") -> str:
        """Form the ``client`` parameter, such as ``cps-2.0.0``."""
        return f"{prefix}-{self.CARTO_VERSION}"


class NoCredentials(AuthBase):
    """Sends a request without an Authorization header, also where netrc has one for the host."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Leave the request as it is."""
        return request


class _CartoClient(_UsernameGetter, _BaseUrlChecker, _ClientIdentifier, BaseAuthClient):
    """What the four auth clients share: one session, `prepare_send`, and sending with retries."""

    base_url: str
    session: requests.Session
    api_key: str | None
    organization: str | None
    username: str | None
    user_agent: str
    client_id: str

    def __init__(self, base_url: str, api_key: str | None, organization: str | None, session: requests.Session | None,
                 client_id: str | None = None, user_agent: str | None = None, timeout: Timeout | Unset = UNSET,
                 retries: int | None = None, username: str | None = None) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.organization = organization
        self.username = username
        self.client_id = client_id or self.get_client_identifier()
        self.user_agent = user_agent or self.get_user_agent()
        self._owns_session = session is None
        self.session = new_session() if session is None else session
        self._sender = Sender(timeout, retries)

    def send(self, relative_path: str, http_method: str, *, timeout: Timeout | Unset = UNSET,
             idempotent: bool = False, **requests_args: Any) -> Response:
        """Send a request with this client's credentials.

        Args:
            relative_path: The path below `base_url`, with or without a leading slash.
            http_method: The verb, in any case.
            timeout: Seconds to wait: one number, a pair of connect and read, or None for no limit.
            idempotent: Whether carrying the request out twice does no harm, so that it may be sent
                again after a broken connection or a 502, 503 or 504.
            **requests_args: What `requests.Session.request` takes: params, data, json, headers, stream...

        Returns:
            The answer, whatever its status.

        Raises:
            CartoRateLimitException: There were too many calls; the retries did not help.
            CartoTransportException: No answer came.
            CartoUsageException: The path leads away from `base_url`.
        """
        passed = _passed_by.get()
        if passed is not None and passed.client is self and passed.method == http_method.lower():
            timeout = passed.timeout if isinstance(timeout, Unset) else timeout
            idempotent = idempotent or passed.idempotent
            if passed.api_key_in is not None:
                requests_args.setdefault("api_key_in", passed.api_key_in)
        method, args = self.prepare_send(http_method, **requests_args)
        args.pop("api_key_in", None)  # left over by a `prepare_send` of the caller's own, which may add others
        added = {name: args.pop(name) for name in ("timeout", "idempotent") if name in args}
        if isinstance(timeout, (Unset, DefaultTimeout)):
            timeout = added.get("timeout", timeout)
        return self._sender.send(self.session, method, self._url(relative_path), timeout=timeout,
                                 idempotent=idempotent or added.get("idempotent", False), **args)

    send.takes_options = True  # type: ignore[attr-defined]  # see `send_with`

    def prepare_send(self, http_method: str, **requests_args: Any) -> tuple[str, dict[str, Any]]:
        """Add the client's headers, identifier and credentials to the arguments of a request.

        Args:
            http_method: The verb, in any case.
            **requests_args: The arguments, which are not changed.

        Returns:
            The verb in lower case, and new arguments.
        """
        args = dict(requests_args)
        args.pop("api_key_in", None)
        args["headers"] = {"User-Agent": self.user_agent, **(args.get("headers") or {})}
        args["params"] = _joined_params(args.get("params"), {"client": self.client_id})
        args["auth"] = args.get("auth") or self.session.auth or NoCredentials()
        return http_method.lower(), args

    def get_response_data(self, response: Response, parse_json: bool = True) -> Any:
        """Read the data of an answer.

        Args:
            response: The answer.
            parse_json: Whether to parse the body as JSON.

        Returns:
            The parsed JSON, the bytes of the body, or None when the body is empty.

        Raises:
            CartoResponseException: The answer is an error, or is not JSON.
        """
        return read_data(response, parse_json)

    def close(self) -> None:
        """Close the connections of the session that this client made; a session given by the caller stays open."""
        if self._owns_session:
            self.session.close()

    def _url(self, relative_path: str) -> str:
        path = relative_path.lstrip("/")
        if relative_path.startswith("//") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            if not same_origin(self.base_url, relative_path):
                raise CartoUsageException(
                    f"{redact(relative_path)!r} leads to another host than base_url: give a path below {self.base_url}")
            return relative_path
        return f"{self.base_url}{'' if self.base_url.endswith('/') else '/'}{path}"

    def __enter__(self: _Client) -> _Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        key = "" if self.api_key is None else ", api_key='***'"
        return f"{type(self).__name__}({redact(self.base_url)!r}{key})"

    def __copy__(self: _Client) -> _Client:
        return self

    def __deepcopy__(self: _Client, memo: dict[int, Any]) -> _Client:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__} can't be pickled, since it holds an API key: "
                        "make a client in each process")


class NoAuthClient(_CartoClient, PyrestcliNoAuthClient):
    """A client without a key: it reads what is public.

    Args:
        base_url: The address of the account, such as ``https://me.carto.com/``.
        session: A requests session to use instead of an own one.
        timeout: Seconds for every call: a number, a pair of connect and read, or None for no limit.
        retries: How often a call may be sent again; 0 never.
        username: The user's name, where the address does not tell it.
        user_agent: The User-Agent header.
        client_id: The ``client`` parameter.
    """

    def __init__(self, base_url: str, session: requests.Session | None = None, *, timeout: Timeout | Unset = UNSET,
                 retries: int | None = None, username: str | None = None, user_agent: str | None = None,
                 client_id: str | None = None) -> None:
        url = _normalised(base_url)
        super().__init__(url, None, None, session, client_id, user_agent, timeout, retries,
                         username or _name_in_path(url) or _name_in_host(url))


class APIKeyAuthClient(_CartoClient):
    """A client that authenticates with an API key.

    The key travels in an Authorization header where the user's name is certain
    (``/user/NAME/`` in the address, ``NAME.carto.com``, or `username`) and the session has no
    credentials of its own for that header, else in the query.

    Args:
        base_url: The address of the account: ``https://USER.carto.com/`` or ``https://HOST/user/USER/``.
        api_key: The key.
        organization: The organization's name, for the endpoints that need it.
        session: A requests session to use instead of an own one.
        client_id: The ``client`` parameter.
        user_agent: The User-Agent header.
        timeout: Seconds for every call: a number, a pair of connect and read, or None for no limit.
        retries: How often a call may be sent again; 0 never.
        api_key_in: ``header``, ``query``, or ``auto`` to choose as said above.
        username: The user's name, where the address does not tell it.

    Raises:
        CartoUsageException: The address does not tell the user's name, or is no address.
    """

    api_key: str
    username: str

    def __init__(self, base_url: str, api_key: str, organization: str | None = None,
                 session: requests.Session | None = None, client_id: str | None = None,
                 user_agent: str | None = None, *, timeout: Timeout | Unset = UNSET, retries: int | None = None,
                 api_key_in: str = "auto", username: str | None = None) -> None:
        url = self.check_base_url(base_url)
        super().__init__(url, _checked_key(api_key), organization, session, client_id, user_agent, timeout, retries,
                         username or self.get_user_name(url))
        if api_key_in not in _API_KEY_PLACES:
            raise CartoUsageException(f"api_key_in is one of {', '.join(_API_KEY_PLACES)}, not {api_key_in!r}")
        in_header = api_key_in == "header" or (
            api_key_in == "auto" and (username is not None or _name_is_certain(url)))
        self.api_key_in = "header" if in_header else "query"
        self._gives_way = api_key_in == "auto"

    def prepare_send(self, http_method: str, **requests_args: Any) -> tuple[str, dict[str, Any]]:
        """Add the client's headers, identifier and API key to the arguments of a request.

        Args:
            http_method: The verb, in any case.
            **requests_args: The arguments, which are not changed; ``api_key_in`` chooses ``header``
                or ``query`` for this request, and ``auth`` takes the header, so that the key goes
                into the query. Credentials of the session take it as well, where nobody chose
                ``header``.

        Returns:
            The verb in lower case, and new arguments.
        """
        usual = "query" if self._gives_way and _has_credentials(self.session) else self.api_key_in
        place = requests_args.get("api_key_in") or usual
        method, args = super().prepare_send(http_method, **requests_args)
        if place == "header" and not requests_args.get("auth"):
            args["auth"] = HTTPBasicAuth(self.username.encode(), self.api_key.encode())
        else:
            args["params"] = _joined_params(args["params"], {"api_key": self.api_key})
        return method, args


class NonVerifiedAPIKeyAuthClient(APIKeyAuthClient):
    """A client that does not verify the server's certificate, for servers with one of their own making.

    Takes the arguments of `APIKeyAuthClient`. Anybody between the two ends can read
    the key: prefer a session whose ``verify`` names the server's certificate.
    """

    def __init__(self, base_url: str, api_key: str, organization: str | None = None,
                 session: requests.Session | None = None, **options: Any) -> None:
        super().__init__(base_url, api_key, organization, session, **options)

    def prepare_send(self, http_method: str, **requests_args: Any) -> tuple[str, dict[str, Any]]:
        """Add what `APIKeyAuthClient` adds, and switch the verification off."""
        method, args = super().prepare_send(http_method, **requests_args)
        args["verify"] = False
        return method, args


class AuthAPIClient(_CartoClient, BasicAuthClient):
    """A client for the Auth API, which only takes the key in an Authorization header.

    Args:
        base_url: The address of the account.
        api_key: The key.
        organization: The organization's name.
        session: A requests session to use instead of an own one.
        timeout: Seconds for every call: a number, a pair of connect and read, or None for no limit.
        retries: How often a call may be sent again; 0 never.
        username: The user's name, where the address does not tell it.
    """

    api_key: str
    username: str

    def __init__(self, base_url: str, api_key: str, organization: str | None = None,
                 session: requests.Session | None = None, *, timeout: Timeout | Unset = UNSET,
                 retries: int | None = None, username: str | None = None) -> None:
        url = self.check_base_url(base_url)
        super().__init__(url, _checked_key(api_key), organization, session, timeout=timeout, retries=retries,
                         username=username or self.get_user_name(url))

    def prepare_send(self, http_method: str, **requests_args: Any) -> tuple[str, dict[str, Any]]:
        """Add the client's headers and its key in an Authorization header."""
        method, args = super().prepare_send(http_method, **requests_args)
        args["auth"] = HTTPBasicAuth(self.username.encode(), self.api_key.encode())
        return method, args

    def is_valid_api_key(self) -> bool:
        """Ask the server whether the client's key is one of the account's.

        Returns:
            True when the server knows the key.

        Raises:
            CartoTransportException: No answer came.
            CartoResponseException: The server answered with another error than that the key is refused.
        """
        response = self.send("api/v3/api_keys", "get", idempotent=True, params={"per_page": "1000"})
        if response.status_code in (401, 403):
            return False
        body = read_data(response)
        keys = body.get("result", []) if isinstance(body, dict) else []
        return any(isinstance(key, dict) and key.get("token") == self.api_key for key in keys)


def send_with(client: SendsRequests, relative_path: str, http_method: str, *, timeout: Timeout | Unset = UNSET,
              idempotent: bool = False, api_key_in: str | None = None, **requests_args: Any) -> Response:
    """Send through any client: options of ours go only to clients whose `send` takes them.

    They go past a `send` that a subclass of our clients overrides, to ours behind it.

    Args:
        client: An auth client of ours, of pyrestcli, or one that the caller wrote.
        relative_path: The path below the client's base URL.
        http_method: The verb.
        timeout: Seconds; see `_CartoClient.send`.
        idempotent: See `_CartoClient.send`.
        api_key_in: ``query`` for endpoints that do not read the Authorization header.
        **requests_args: What requests takes.

    Returns:
        The answer, whatever its status.

    Raises:
        CartoException: No answer came, or there were too many calls.
        CartoUsageException: It is no client.
    """
    if not hasattr(client, "send"):
        raise CartoUsageException("what talks to CARTO needs an authentication client, such as "
                                  f"APIKeyAuthClient(base_url, api_key), not {type(client).__name__}")
    options = None
    if getattr(getattr(type(client), "send", None), "takes_options", False):
        requests_args.update(timeout=timeout, idempotent=idempotent)
        if api_key_in is not None:
            requests_args["api_key_in"] = api_key_in
    else:
        options = _Options(client, http_method.lower(), timeout, idempotent, api_key_in)
    before = _passed_by.set(options)
    try:
        return client.send(relative_path, http_method, **requests_args)
    except requests.RequestException as caught:
        error = transport_error(caught)
    finally:
        _passed_by.reset(before)
    raise error from error.args[0]


def data_of(client: SendsRequests, response: Response, parse_json: bool = True) -> Any:
    """Read an answer's data through its client, so that a `get_response_data` of the caller's own is called.

    Raises:
        CartoResponseException: The answer is an error, or is not JSON.
    """
    read = getattr(client, "get_response_data", None)
    if read is None or getattr(read, "__func__", None) is BaseAuthClient.get_response_data:
        return read_data(response, parse_json)
    try:
        return read(response, parse_json)
    except CartoException:
        raise
    except pyrestcli_exceptions.BaseException:
        error: CartoException = CartoResponseException.from_response(response)
    except requests.RequestException as caught:
        error = transport_error(caught)
    raise error from error.args[0]  # outside of the handler: what was caught holds the URL as it was sent


def read_data(response: Response, parse_json: bool = True) -> Any:
    """Read the data of an answer.

    Args:
        response: The answer.
        parse_json: Whether to parse the body as JSON.

    Returns:
        The parsed JSON, the bytes of the body, or None when the body is empty.

    Raises:
        CartoResponseException: The answer is an error, or is not JSON.
    """
    if response.status_code >= 300:
        raise CartoResponseException.from_response(response)
    if response.status_code == requests.codes.no_content:
        return None
    try:
        if not parse_json:
            return response.content
        return response.json() if response.content else None
    except (ValueError, RecursionError):
        error: CartoException = CartoInvalidResponseException(response)
    except requests.RequestException as caught:
        error = transport_error(caught)
    raise error from error.args[0]


def _joined_params(params: Any, more: dict[str, str]) -> Any:
    """Add parameters to those of a request, whatever form they have."""
    if params is None or isinstance(params, Mapping):
        return {**dict(params or {}), **more}
    if isinstance(params, (str, bytes)):
        text = params.decode() if isinstance(params, bytes) else params
        return f"{text}&{urlencode(more)}" if text else urlencode(more)
    return [*params, *more.items()]


def _has_credentials(session: requests.Session) -> bool:
    """Tell whether a session fills the Authorization header itself, as for a gate in front of a server."""
    return bool(session.auth or session.headers.get("Authorization"))


def _checked_key(api_key: str) -> str:
    if not isinstance(api_key, str) or not api_key.strip() or not api_key.isprintable():
        raise CartoUsageException("api_key must be the text of a key, without line breaks: "
                                  "for calls without a key there is NoAuthClient")
    return api_key


def _normalised(base_url: str) -> str:
    if not isinstance(base_url, str) or not base_url.strip():
        raise CartoUsageException(f"base_url must be an address such as {_BASE_URL_FORMS}, not {base_url!r}")
    parts = _split_address(base_url.strip())
    if parts is None:
        raise CartoUsageException(f"{redact(base_url)!r} is not an HTTP address: write it as {_BASE_URL_FORMS}")
    if "@" in parts.netloc:
        raise CartoUsageException(f"the base URL {redact(base_url)!r} holds a user name or a password for the host: "
                                  "leave it out, and give the key as api_key")
    return f"{parts.scheme}://{parts.netloc}{_account_path(parts)}"


def _split_address(text: str) -> SplitResult | None:
    """Split an HTTP address, or give None when it is none."""
    if re.search(r"\\|[^\S ]", text):  # a space may stand in the placeholder of an example: sending then fails
        return None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


def _account_path(parts: SplitResult) -> str:
    """Cut the path of a URL after the user's name, else before one of CARTO's pages."""
    segments = [segment for segment in parts.path.split("/") if segment]
    for index, segment in enumerate(segments[:-1]):
        if segment in ("user", "u"):
            return "/".join(["", *segments[:index], "user", segments[index + 1], ""])
    page = next((index for index, segment in enumerate(segments) if segment in _PAGES), len(segments))
    return "/".join(["", *segments[:page], ""])


def _name_in_path(base_url: str) -> str | None:
    found = re.search(r"/(?:user|u)/([^/]+)", urlsplit(base_url).path)
    return unquote(found.group(1)) if found else None


def _name_in_host(base_url: str) -> str | None:
    host = (urlsplit(base_url).hostname or "").removeprefix("www.")
    if "." not in host or _is_ip_address(host):
        return None
    return host.partition(".")[0]


def _name_is_certain(base_url: str) -> bool:
    host = (urlsplit(base_url).hostname or "").removeprefix("www.")
    in_cloud = any(host.endswith(f".{domain}") for domain in _CLOUD_DOMAINS)
    return _name_in_path(base_url) is not None or (in_cloud and host.count(".") == 2)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or (
        _is_ip_address(host) and ipaddress.ip_address(host).is_loopback)
