"""``/api/v3/api_keys``: keys that may do less than the master key, each with a PostgreSQL role of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import key_grants
from carto.sandbox.key_grants import NotGrantableError
from carto.sandbox.key_request import InvalidKeyError, KeyRequest
from carto.sandbox.key_ring import KeyRing, NameTakenError, QuotaError, UnknownKeyError
from carto.sandbox.key_store import KeptKey
from carto.sandbox.members import organization_of
from carto.sandbox.paging import Page, WrongParameterError
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import SLASH_OR_NOTHING, RailsCall, RailsError, rails_endpoint, rails_routes
from carto.sandbox.rails_json import plain_utc, rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, base_url
from carto.sandbox.visualizations_store import admin_conninfo

TYPES = ("master", "default", "regular")
ORDERS = ("type", "name", "updated_at")
PATH = "v3/api_keys"
NO_RIGHTS: Json = {"tables": [], "schemas": []}

_Handler = Callable[[KeyRing, RailsCall], Awaitable[Response]]


def routes(state: ServerState, ring: KeyRing) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        ring: Changes the keys.
    """

    def of_any_key(handler: _Handler) -> Any:
        return rails_endpoint(state, partial(_of_target, handler, ring), anonymous=True)

    def of_owner(handler: _Handler) -> Any:
        return rails_endpoint(state, partial(_of_target, handler, ring))

    one = f"{PATH}/{{name:path}}"  # any text is a name, also one that ends in .json
    return [
        *rails_routes(PATH, of_any_key(list_keys), ["GET"]),
        *rails_routes(PATH, of_owner(create), ["POST"]),
        *rails_routes(f"{one}/token/regenerate", of_owner(regenerate), ["POST"], SLASH_OR_NOTHING),
        *rails_routes(one, of_any_key(show), ["GET"], SLASH_OR_NOTHING),
        *rails_routes(one, of_owner(delete), ["DELETE"], SLASH_OR_NOTHING),
    ]


async def _of_target(handler: _Handler, ring: KeyRing, call: RailsCall) -> Response:
    """Have a call answered for another user of the organization, when its admin asks for that.

    Raises:
        RailsError: 403, the caller is no admin of that user.
    """
    name = js_string(call.params.get("target_user") or call.account.name)
    if name == call.account.name:
        return await handler(ring, call)
    organization = organization_of(call.state, call.account)
    target = organization.member(name) if organization and call.account.is_org_admin and call.is_owner else None
    if target is None:
        raise _not_permitted()
    return await handler(ring, replace(call, account=target, key=target.master_key))


async def list_keys(ring: KeyRing, call: RailsCall) -> Response:
    """Answer with a page of the keys that the caller may see."""
    try:
        page = Page.asked_for(call.params, ORDERS, order="type", direction="asc")
        types = _types(call)
    except WrongParameterError as error:
        raise _error(400, str(error)) from error
    keys = [key for key in await _visible(ring, call) if key.type in types]
    _sort(keys, page)
    shown = keys[page.first_entry :][: page.size]
    url = f"{base_url(call)}/api/{PATH}"
    items = [
        {**form, "_links": {"self": f"{url}/{quote(key.name, safe='')}"}}
        for key, form in zip(shown, await _forms(call, shown), strict=True)
    ]
    links = page.links(url, call.query, len(keys))
    return _answer({"total": len(keys), "count": len(items), "result": items, "_links": links})


def _types(call: RailsCall) -> list[str]:
    types = js_string(call.params.get("type", ",".join(TYPES))).split(",")
    if not set(types) <= set(TYPES):
        raise WrongParameterError("type", TYPES)
    return types


def _sort(keys: list[KeptKey], page: Page) -> None:
    """Sort keys in place: always by type, and then as asked for."""
    for order, direction in reversed(page.orders):
        if order != "type":
            keys.sort(key=lambda key: getattr(key, order), reverse=direction == "desc")
    keys.sort(key=lambda key: TYPES.index(key.type))


async def show(ring: KeyRing, call: RailsCall) -> Response:
    """Answer with one key."""
    return _answer(await _form(call, await _found(ring, call)))


async def create(ring: KeyRing, call: RailsCall) -> Response:
    """Make a regular key."""
    _check_changeable(call)
    try:
        wanted = KeyRequest.of(call.params.get("name"), call.params.get("grants"))
        kept = await ring.create(call.account, wanted.name, wanted.grants, wanted.in_database)
    except InvalidKeyError as error:
        raise _invalid(str(error)) from error
    except NameTakenError as error:
        raise _invalid("Name has already been taken") from error
    except NotGrantableError as error:
        raise _invalid(f"Grants can only grant {error} permissions you have") from error
    except QuotaError as error:
        raise _error(403, "You have reached the limit of API keys for your plan") from error
    return _answer(await _form(call, kept), 201)


async def regenerate(ring: KeyRing, call: RailsCall) -> Response:
    """Give a key another token."""
    kept = await _found(ring, call)
    try:
        return _answer(await _form(call, await ring.regenerate(call.account, kept.name)))
    except UnknownKeyError as error:
        raise _not_found(kept.name) from error


async def delete(ring: KeyRing, call: RailsCall) -> Response:
    """Remove a regular key."""
    kept = await _found(ring, call)
    if kept.type != "regular":
        raise _not_permitted()
    _check_changeable(call)
    try:
        await ring.delete(call.account, kept.name)
    except UnknownKeyError as error:
        raise _not_found(kept.name) from error
    return Response(status_code=204)


def _check_changeable(call: RailsCall) -> None:
    """Refuse accounts on a database of their own, where no roles are made: for them, this API is not there."""
    if call.account.database_url is not None:
        raise RailsError(404)


async def _visible(ring: KeyRing, call: RailsCall) -> list[KeptKey]:
    """Return the keys that a caller may see: the master key all, another one itself.

    Raises:
        RailsError: 401, the caller proves no key.
    """
    if call.key is None:
        raise RailsError(401)
    keys = await ring.store.all_of(call.account.name)
    return [key for key in keys if call.is_owner or key.name == call.key.name]


async def _found(ring: KeyRing, call: RailsCall) -> KeptKey:
    name = call.request.path_params["name"]
    for key in await _visible(ring, call):
        if key.name == name:
            return key
    raise _not_found(name)


async def _form(call: RailsCall, key: KeptKey) -> Json:
    return (await _forms(call, [key]))[0]


async def _forms(call: RailsCall, keys: list[KeptKey]) -> list[Json]:
    """Show keys as the API does; what they may do in the database, the database says."""
    in_database = await _rights_of_roles(call, {key.role for key in keys if key.type == "regular"})
    return [
        {
            "name": key.name,
            "user": {"username": call.account.name},
            "type": key.type,
            "token": key.token,
            "grants": _grants(key, in_database.get(key.role, NO_RIGHTS)),
            "created_at": key.created_at,
            "updated_at": key.updated_at,
        }
        for key in keys
    ]


async def _rights_of_roles(call: RailsCall, roles: set[str]) -> dict[str, Json]:
    if not roles or call.account.database_url is not None:
        return {}
    async with call.state.pool.connection(admin_conninfo(call.state, call.account)) as connection:
        return {role: await key_grants.of_role(connection, role) for role in roles}


def _grants(key: KeptKey, in_database: Json) -> list[Json]:
    database = {"type": "database", **in_database}
    if "table_metadata" in key.grants:
        database["table_metadata"] = []
    shown: list[Json] = [{"type": "apis", "apis": key.grants["apis"]}, database]
    for kind, contents in (("dataservices", "services"), ("user", "data"), ("data-observatory", "datasets")):
        if key.grants.get(kind):
            shown.append({"type": kind, contents: key.grants[kind]})
    return shown


def _answer(content: Json, status: int = 200) -> Response:
    return rails_json(content, status, moments=plain_utc)


def _invalid(text: str) -> RailsError:
    return _error(422, f"Validation failed: {text}")


def _not_permitted() -> RailsError:
    return _error(403, "You don't have permission to access that resource")


def _not_found(name: str) -> RailsError:
    return _error(404, f"API key not found: {name}")


def _error(status: int, text: str) -> RailsError:
    return RailsError(status, {"errors": text, "errors_cause": None})
