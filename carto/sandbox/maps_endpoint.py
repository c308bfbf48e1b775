"""The steps that every endpoint of the Maps API goes through: key, token, rate limit, body, errors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import authorization, parameters, templates
from carto.sandbox.accounts import Account, ApiKey
from carto.sandbox.endpoint import CLIENT_CLOSED_REQUEST, Endpoint, json_response, jsonp_response
from carto.sandbox.errors import ApiError
from carto.sandbox.limit_tile import limit_tile
from carto.sandbox.map_sql import Database
from carto.sandbox.maps_errors import MapsError, is_timeout, primary_message, query_timeout, rate_limited, refused
from carto.sandbox.maps_services import MapsServices
from carto.sandbox.parameters import js_string

LIMITED = 429
VECTOR_TILE_TYPE = "application/x-protobuf"
MAX_BODY_BYTES = 100 * 1024
PREFIXES = ("/user/{user}/api/v1/map", "/api/v1/map", "/{user}/api/v1/map")
"""Where the API is: the user in the path, in the host, or as a CDN has it."""

Access = Literal["map", "template", "administration"]
"""Who is let in: by key or the token of a named map; anybody whose key is good; the owner."""

_MAP_PATH = re.compile(r"(?:/user/[^/]+|/[^/]+)?/api/v1/map(?:/|\Z)")
_CHARSET = re.compile(r"charset=\"?([^\s;\"]+)", re.IGNORECASE)


@dataclass
class MapCall:
    """One authorized request.

    Attributes:
        request: The HTTP request.
        maps: What all endpoints share.
        account: Whose maps these are.
        key: The key whose rights are used.
        sent_key: The key as it was sent; empty when none was.
        query: Parameters of the URL.
        body: The parsed body; an empty object when there is none.
        headers: Headers to be sent with the answer, whatever it becomes.
    """

    request: Request
    maps: MapsServices
    account: Account
    key: ApiKey
    sent_key: str
    query: dict[str, Any]
    body: Any
    headers: dict[str, str]

    def param(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def database(self, as_owner: bool = False) -> Database:
        """Return the account's database, reached as the call's key or as the owner."""
        key = self.account.master_key if as_owner else self.key
        state = self.maps.state
        return Database(
            state.pool,
            self.account.conninfo(key, state.cluster_conninfo),
            statement_timeout_ms=key.statement_timeout_ms,
        )

    @property
    def auth_tokens(self) -> list[str]:
        """The tokens of named maps that were sent."""
        return auth_tokens(self.query)

    @property
    def is_json(self) -> bool:
        """Whether there is a body, maybe an empty one, that is said to be JSON."""
        has_body = any(name in self.request.headers for name in ("content-length", "transfer-encoding"))
        return has_body and _content_type(self.request) == "application/json"

    def answer(self, content: Any) -> Response:
        """Answer with JSON, or with JSONP when a callback is named."""
        return _answer(content, 200, self.headers, self.query)


Handler = Callable[[MapCall], Awaitable[Response]]


@dataclass(frozen=True)
class MapToken:
    """The part of a path that stands for a map.

    Attributes:
        signer: Owner of the named map, when it is one.
        template_hash: Version of its template.
        token: What the map is kept under.
    """

    signer: str | None
    template_hash: str | None
    token: str

    @classmethod
    def parse(cls, text: str) -> MapToken:
        """Take a token of a URL apart; what comes after the colon says nothing."""
        *signature, token = text.partition(":")[0].split("@")
        signer = signature[0] if signature else None
        return cls(signer, signature[1] if len(signature) > 1 else None, token)


def maps_endpoint(
    maps: MapsServices, group: str, handler: Handler, *, access: Access = "map", action: str = ""
) -> Endpoint:
    """Wrap a handler into a Starlette endpoint.

    Args:
        maps: What all endpoints share.
        group: Rate limit group.
        handler: Answers the authorized call.
        access: Who is let in.
        action: What somebody without a key may not do, for ``administration``.
    """

    async def answer(request: Request) -> Response:
        headers: dict[str, str] = {}
        query = parameters.query_parameters(request)
        if query.get("client"):
            headers["Carto-Client"] = js_string(query["client"])
        try:
            call = await _authorized(maps, group, request, query, headers, access, action)
            return await handler(call)
        except MapsError as error:
            return _refusal(request, error, headers, query)
        except ApiError as error:
            return _refusal(request, refused(error.message, status=error.status), headers, query)
        except psycopg.Error as error:
            refusal = query_timeout() if is_timeout(error) else refused(primary_message(error))
            return _refusal(request, refusal, headers, query)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    return answer


def map_routes(path: str, answers: dict[str, Endpoint]) -> list[Route]:
    """Register endpoints by verb below all prefixes of the Maps API, with and without a final slash.

    Args:
        path: Path below the prefix, such as ``/named``.
        answers: The endpoint of each verb.
    """
    paths = [f"{prefix}{path}{slash}" for prefix in PREFIXES for slash in ("", "/")]
    verbs = [verb for method in answers for verb in ([method, "HEAD"] if method == "GET" else [method])]
    return [
        *(Route(each, _options(",".join(verbs)), methods=["OPTIONS"]) for each in paths),
        *(Route(each, answer, methods=[verb]) for each in paths for verb, answer in answers.items()),
    ]


def not_found_routes() -> list[Route]:
    """Register the answer to all other paths of the Maps API; comes after all others."""

    async def nothing_here(request: Request) -> Response:
        user = request.path_params.get("user")
        headers = {"Carto-User": user} if user else {}
        return Response(b"", 404, headers, "application/json; charset=utf-8")

    verbs = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    paths = [f"{prefix}{rest}" for prefix in PREFIXES for rest in ("", "/{path:path}")]
    return [Route(path, nothing_here, methods=verbs) for path in paths]


def is_map_path(path: str) -> bool:
    """Tell whether a path belongs to the Maps API, which lists verbs when it is asked for OPTIONS."""
    return _MAP_PATH.match(path) is not None


def auth_tokens(query: dict[str, Any]) -> list[str]:
    """Return the tokens of named maps in the parameters of a URL."""
    sent = [query[name] for name in ("auth_token", "auth_token[]") if name in query]
    return [js_string(token) for value in sent for token in (value if isinstance(value, list) else [value])]


def _options(verbs: str) -> Endpoint:
    async def answer(_request: Request) -> Response:
        return Response(verbs.encode(), 200, {"Allow": verbs}, "text/html; charset=utf-8")

    return answer


def _answer(content: Any, status: int, headers: dict[str, str], query: dict[str, Any]) -> Response:
    callback = query.get("callback")
    if callback:
        return jsonp_response(content, callback, headers)
    return json_response(content, status, headers)


def _refusal(request: Request, error: MapsError, headers: dict[str, str], query: dict[str, Any]) -> Response:
    if error.status == LIMITED and request.url.path.endswith(".mvt"):
        return Response(limit_tile(), LIMITED, headers, VECTOR_TILE_TYPE)
    return _answer(error.body(), error.status, headers, query)


async def _authorized(
    maps: MapsServices,
    group: str,
    request: Request,
    query: dict[str, Any],
    headers: dict[str, str],
    access: Access,
    action: str,
) -> MapCall:
    body = await _parsed_body(request)
    user = authorization.user_name(request)
    headers["Carto-User"] = user
    headers["vary"] = "Authorization"
    token = _named_token(request, user, headers)
    _, sent_key = authorization.sent_credentials(request, query, body if isinstance(body, dict) else {})
    account = maps.state.accounts.get(user)
    if account is None:
        raise _unauthorized() if sent_key else _unknown_user()
    key = _checked_key(account, sent_key) if sent_key else None
    if access == "administration":
        _check_owner(key, action)
    elif access == "map" and key is None:
        key = await _key_of_token(maps, account, token, query)
    _count(maps, account, group, headers)
    return MapCall(request, maps, account, key or account.public_key, sent_key, query, body, headers)


def _named_token(request: Request, user: str, headers: dict[str, str]) -> MapToken | None:
    """Return the token of the path, if there is one.

    Raises:
        MapsError: 403, it belongs to a named map of somebody else.
    """
    text = request.path_params.get("token")
    if text is None:
        return None
    token = MapToken.parse(text)
    if token.template_hash:
        headers["Carto-Template-Hash"] = token.template_hash
    if token.signer is not None and token.signer != user:
        message = f'Cannot use map signature of user "{token.signer}" on db of user "{user}"'
        raise refused(message, status=403, type="auth")
    return token


def _checked_key(account: Account, sent_key: str) -> ApiKey:
    key = account.key(sent_key)
    if key is None:
        raise _unauthorized()
    if not key.maps:
        raise _forbidden()
    return key


def _check_owner(key: ApiKey | None, action: str) -> None:
    if key is None:
        raise refused(f"Only authenticated users can {action} templated maps", status=403)
    if key.type != "master":
        raise _forbidden()


async def _key_of_token(maps: MapsServices, account: Account, token: MapToken | None, query: dict[str, Any]) -> ApiKey:
    """Give those who may see a named map the owner's rights, and everybody else those of the public."""
    if token is None or token.signer is None:
        return account.public_key
    template = (await maps.instances.get(token.token)).template
    if template is None or not templates.is_authorized(template.get("auth"), auth_tokens(query)):
        raise refused("Sorry, you are unauthorized (permission denied)")
    return account.master_key


def _count(maps: MapsServices, account: Account, group: str, headers: dict[str, str]) -> None:
    verdict = maps.state.limiter.hit(account, group)
    if verdict is None:
        return
    headers.update(verdict.headers())
    if not verdict.allowed:
        raise rate_limited()


async def _parsed_body(request: Request) -> Any:
    """Read a body of JSON as Express does; any other is left unread.

    Raises:
        MapsError: 400, it is too large, in a wrong encoding or no JSON.
    """
    if request.method not in ("POST", "PUT") or _content_type(request) != "application/json":
        return {}
    charset = _CHARSET.search(request.headers.get("content-type", ""))
    if charset and not charset.group(1).lower().startswith("utf-"):
        raise refused(f'unsupported charset "{charset.group(1).upper()}"', type="charset.unsupported")
    content = _inflated(await _limited_body(request), request.headers.get("content-encoding", "identity"))
    text = content.decode("utf-8", "replace")
    if not text:
        return {}
    if text.lstrip()[:1] not in ("{", "["):
        raise _no_json(f"Unexpected token {text.lstrip()[:1]} in JSON at position {len(text) - len(text.lstrip())}")
    try:
        return parameters.parse_json(text)
    except ApiError as error:
        raise _no_json(error.message) from error


async def _limited_body(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        pieces.append(piece)
    return b"".join(pieces)


def _inflated(content: bytes, encoding: str) -> bytes:
    if encoding.lower() == "identity":
        return content
    if encoding.lower() not in ("gzip", "deflate"):
        raise refused(f'unsupported content encoding "{encoding.lower()}"', type="encoding.unsupported")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | (16 if encoding.lower() == "gzip" else 0))
    try:
        inflated = unpacker.decompress(content, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise refused("incorrect header check") from error
    if len(inflated) > MAX_BODY_BYTES:
        raise _too_large()
    return inflated


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _no_json(message: str) -> MapsError:
    return refused(f"SyntaxError: {message}", type="entity.parse.failed")


def _too_large() -> MapsError:
    return refused("request entity too large", type="entity.too.large")


def _unauthorized() -> MapsError:
    return refused("Unauthorized", status=401, type="auth", subtype="api-key-not-found")


def _forbidden() -> MapsError:
    return refused("Forbidden", status=403, type="auth", subtype="api-key-does-not-grant-access")


def _unknown_user() -> MapsError:
    return refused("DB host or name not found in redis (try CARTODB/script/restore_redis)", status=404)
