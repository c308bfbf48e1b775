"""``/api/v1/viz``: the list of datasets and maps, and each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import map_layers, passwords, table_names
from carto.sandbox.endpoint import Endpoint
from carto.sandbox.errors import ApiError
from carto.sandbox.parameters import js_string, parse_int
from carto.sandbox.rails_endpoint import (
    RailsCall,
    RailsError,
    change_errors,
    proven_key,
    rails_endpoint,
    rails_routes,
)
from carto.sandbox.rails_json import plain_utc, rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, Pieces, Presenter
from carto.sandbox.visualization_search import Search, search_of
from carto.sandbox.visualizations_store import UUID, Catalog, Row, open_catalog

PRIVACIES = ("PUBLIC", "PRIVATE", "LINK", "PASSWORD")
CREATED_TYPES = ("derived", "slide", "remote")  # datasets come with their tables
_STORED = (
    "name", "display_name", "active_layer_id", "tags", "description", "privacy", "updated_at", "locked", "source",
    "title", "license", "attributions", "kind", "password", "version", "transition_options",
)  # fmt: skip
_NEVER_NULL = {"tags": [], "locked": False, "kind": "geom", "version": 3, "transition_options": {}}
_DOES_NOT_EXIST = "Visualization does not exist"
_NOT_VIEWABLE = "Visualization not viewable"


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return [
        *rails_routes("v1/viz", _listing(state), ["GET"]),
        *rails_routes("v1/viz", rails_endpoint(state, create, anonymous=True, reads_body=False), ["POST"]),
        *rails_routes("v1/viz/{id:path}", rails_endpoint(state, show, anonymous=True), ["GET"]),
        *rails_routes("v1/viz/{id:path}", rails_endpoint(state, update, anonymous=True, reads_body=False), ["PUT"]),
        *rails_routes("v1/viz/{id:path}", rails_endpoint(state, delete), ["DELETE"]),
    ]


def _listing(state: ServerState) -> Endpoint:
    """Answer lists, those of accounts that do not exist in a form of their own."""
    of_account = rails_endpoint(state, list_visualizations, anonymous=True)

    async def answer(request: Request) -> Response:
        if request.path_params.get("user", "") in ("", *state.accounts):
            return await of_account(request)
        return rails_json({"error": "Wrong 'username' parameter value."}, 400)

    return answer


async def list_visualizations(call: RailsCall) -> Response:
    """Answer with a page of the visualizations that were searched for."""
    search = search_of(call.params, is_owner=call.is_owner)
    try:
        async with open_catalog(call.state, call.account) as catalog:
            return rails_json(await _page(call, catalog, search))
    except ApiError as error:
        raise RailsError(500, {"error": error.message}) from error


async def _page(call: RailsCall, catalog: Catalog, search: Search) -> Json:
    pieces = Pieces.asked_for(call.params, by_default=True)
    rows = await search.page_of(catalog)
    presenter = await Presenter.of(call, catalog, rows)
    shown = [presenter.visualization(row, pieces) for row in rows]
    await _add_dependents(call, catalog, presenter, rows, shown)
    envelope = {"visualizations": shown, "total_entries": await search.count(catalog)}
    return {**envelope, **await _totals(search, catalog, call.params)} if call.is_owner else envelope


async def _totals(search: Search, catalog: Catalog, params: Mapping[str, Any]) -> Json:
    totals: Json = {}
    if params.get("load_totals") != "false":
        query = (
            "SELECT count(*) AS total_user_entries, count(*) FILTER (WHERE locked) AS total_locked,"
            " 0 AS total_likes, 0 AS total_shared FROM carto_sandbox.visualizations WHERE type = ANY (%s)"
        )
        totals |= (await catalog.rows(query, [search.types]))[0]
    if params.get("load_do_totals") == "true":
        totals |= {"total_subscriptions": 0, "total_samples": 0}
    return totals


async def _add_dependents(
    call: RailsCall, catalog: Catalog, presenter: Presenter, rows: list[Row], shown: list[Json]
) -> None:
    """Add the maps over datasets, as many as were asked for, and how many there are."""
    wanted = parse_int(call.params.get("with_dependent_visualizations", "")) or 0
    if wanted <= 0:
        return
    maps = await catalog.maps_of_datasets([row["id"] for row in rows])
    for row, form in zip(rows, shown, strict=True):
        form["dependent_visualizations"] = presenter.dependents(maps[row["id"]][:wanted])
        form["dependent_visualizations_count"] = len(maps[row["id"]])


async def show(call: RailsCall) -> Response:
    """Answer with one visualization."""
    pieces = Pieces.asked_for(call.params, by_default=False)
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        knows_password = passwords.matches(row["password"], js_string(call.params.get("password", "")))
        if not call.is_owner:
            _refuse_unless_viewable(row, knows_password)
        presenter = await Presenter.of(call, catalog, [row])
        form = presenter.visualization(row, pieces, password_is_right=knows_password)
        await _add_dependents(call, catalog, presenter, [row], [form])
        form["related_tables"] = await _related_tables(catalog, presenter, row)
        if call.params.get("fetch_user") == "true":
            form["user"] = presenter.owner
    return rails_json(form, moments=plain_utc)


async def _found(call: RailsCall, catalog: Catalog) -> Row:
    """Return the visualization that the path names.

    Raises:
        RailsError: 404, there is none; it says so if another account has it.
    """
    wanted = call.request.path_params["id"]
    row = await catalog.find(wanted)
    if row is not None:
        return row
    others = [each for each in call.state.accounts.values() if each is not call.account and each.database_url is None]
    if UUID.fullmatch(wanted):
        for account in others:
            async with open_catalog(call.state, account) as other:
                if await other.find(wanted):
                    raise _error(404, "Visualization of that user does not exist")
    raise _error(404, _DOES_NOT_EXIST)


def _error(status: int, text: str, cause: str | None = None, **more: Any) -> RailsError:
    return RailsError(status, {"errors": text, "errors_cause": cause, **more})


def _refuse_unless_viewable(row: Row, knows_password: bool) -> None:
    if row["privacy"] == "PASSWORD" and not knows_password:
        public = {"privacy": "password", "user": {"google_maps_query_string": None}}
        raise _error(403, _NOT_VIEWABLE, "privacy_password", visualization=public)
    if row["privacy"] == "PRIVATE":
        raise _error(403, _NOT_VIEWABLE)


async def _related_tables(catalog: Catalog, presenter: Presenter, row: Row) -> list[Json]:
    return [presenter.table(each) for each in await catalog.datasets_of_map(row["id"])]


async def create(call: RailsCall) -> Response:
    """Make a map: of tables, of another visualization, or with nothing in it."""
    sent = await _sent_object(call)
    if sent is None:
        raise RailsError(400, {"errors": None})
    async with open_catalog(call.state, call.account) as catalog:
        values = _stored_values(sent, {"privacy": "LINK", "type": "derived"})
        _check_privacy(values, {"password": None})
        with change_errors():
            new_id = await _create(call, catalog, sent, values)
        return rails_json(await _full_form(call, catalog, str(new_id)))


async def _create(call: RailsCall, catalog: Catalog, sent: Json, values: Json) -> Any:
    if sent.get("tables") is not None:
        return await _map_of_tables(call, catalog, values, sent["tables"])
    if sent.get("source_visualization_id") is not None:
        return await _map_of_visualization(call, catalog, values, sent["source_visualization_id"])
    return await _bare_record(catalog, values, js_string(sent.get("type") or "derived"))


async def _map_of_tables(call: RailsCall, catalog: Catalog, values: Json, tables: Any) -> Any:
    named = tables if isinstance(tables, list) else [tables]
    datasets = await catalog.datasets(map(js_string, named))
    if not datasets:
        raise RailsError(400, {"errors": None})
    values["privacy"] = map_layers.blended_privacy(datasets)
    return await map_layers.add_map_of_datasets(catalog, call.account, await _with_free_name(catalog, values), datasets)


async def _map_of_visualization(call: RailsCall, catalog: Catalog, values: Json, source: Any) -> Any:
    row = await catalog.find(js_string(source))
    if row is None:
        raise RailsError(400, {"errors": None})
    values.setdefault("name", row["name"])
    if row["type"] == "table":
        return await _map_of_tables(call, catalog, values, [row["name"]])
    copied = {name: row[name] for name in ("display_name", "description", "tags", "kind")}
    new_id = await catalog.add(await _with_free_name(catalog, {**copied, **values}))
    for layer in await catalog.layers(row["id"]):
        await catalog.add_layer(new_id, layer["position"], layer["kind"], layer["options"], layer["dataset_id"])
    return new_id


async def _bare_record(catalog: Catalog, values: Json, kind: str) -> Any:
    if kind not in CREATED_TYPES:
        raise RailsError(400, {"errors": None})
    return await catalog.add(await _with_free_name(catalog, {**values, "type": kind}))


async def _with_free_name(catalog: Catalog, values: Json) -> Json:
    return {**values, "name": await catalog.free_map_name(values.get("name") or map_layers.UNTITLED, values["type"])}


async def update(call: RailsCall) -> Response:
    """Change what was sent of a visualization, and its table with it."""
    sent = await _sent_object(call)
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        if sent is None or str(sent.get("id", "")).lower() != str(row["id"]):
            raise RailsError(403)
        values = _stored_values(sent)
        _check_privacy(values, row)
        if row["type"] == "table":
            await _change_table(catalog, row, values)
        elif values.get("name") not in (None, row["name"]):
            values["name"] = await catalog.free_map_name(values["name"], row["type"])
        with change_errors():
            await catalog.change(row["id"], values)
        return rails_json(await _full_form(call, catalog, str(row["id"])))


async def _change_table(catalog: Catalog, row: Row, values: Json) -> None:
    """Have the table follow its dataset; a name that PostgreSQL refuses stays the old one."""
    if "privacy" in values and values["privacy"] != row["privacy"]:
        await catalog.set_table_privacy(row, values["privacy"])
    if values.get("name") not in (None, row["name"]):
        name = await table_names.free_name(catalog.connection, values["name"])
        try:
            async with catalog.connection.transaction():
                await catalog.rename_table(row, name)
        except psycopg.Error:
            name = row["name"]
        values["name"] = name


def _stored_values(sent: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Json:
    """Return the columns that a request sets.

    Raises:
        RailsError: 400, one has a value that it can't have.
    """
    values = dict(defaults or {})
    for name in _STORED:
        if name in sent:
            values[name] = _NEVER_NULL.get(name) if sent[name] is None else sent[name]
    if values.get("name") is None:
        values.pop("name", None)
    if "privacy" in values:
        values["privacy"] = js_string(values["privacy"]).upper()
    if not isinstance(values.get("tags", []), list):
        raise RailsError(400, {"errors": ["Tags must be an array of strings"]})
    if "tags" in values:
        values["tags"] = [js_string(tag) for tag in values["tags"]]
    if "transition_options" in values:
        values["transition_options"] = Jsonb(values["transition_options"])
    return {name: js_string(value) if name == "name" else value for name, value in values.items()}


def _check_privacy(values: Json, row: Row) -> None:
    """Refuse a privacy that is none, and keep passwords to the privacy that needs one.

    Raises:
        RailsError: 403 or 400.
    """
    privacy = values.get("privacy", row.get("privacy"))
    if privacy not in PRIVACIES:
        raise RailsError(403, {"errors": ["Privacy is not included in the list"]})
    if privacy != "PASSWORD":
        values["password"] = None
    elif row.get("type") == "table":
        raise RailsError(400, {"errors": ["Error updating"]})
    elif values.get("password"):
        values["password"] = passwords.hashed(js_string(values["password"]))
    elif row["password"] is None:
        raise RailsError(400, {"errors": ["Password required for protected visualization"]})
    else:
        values.pop("password", None)


async def delete(call: RailsCall) -> Response:
    """Delete a visualization; a dataset goes with its table and the maps that show nothing else."""
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        with change_errors():
            await catalog.delete(row)
    return Response(status_code=204)


async def _full_form(call: RailsCall, catalog: Catalog, visualization_id: str) -> Json:
    """Show a visualization after a change, with all its pieces."""
    row = await catalog.find(visualization_id)
    assert row is not None, "it was there a moment ago, in this transaction"
    presenter = await Presenter.of(call, catalog, [row])
    return {**presenter.visualization(row), "related_tables": await _related_tables(catalog, presenter, row)}


async def _sent_object(call: RailsCall) -> Json | None:
    """Read the body as JSON, whatever its type is said to be; None when it is no object.

    Raises:
        RailsError: 401, the caller does not prove the master key.
    """
    sent = await sent_json(call)
    return sent if isinstance(sent, dict) else None


async def sent_json(call: RailsCall) -> Any:
    """Read the body of a call as JSON, whatever its type is said to be; None when it is not JSON.

    Raises:
        RailsError: 401, neither the request nor its body proves the master key.
    """
    try:
        sent = json.loads(await call.request.body())
    except ValueError:
        sent = None
    key = call.key or proven_key(call.account, call.request, {}, sent if isinstance(sent, dict) else {})
    if key is None or key.type != "master":
        raise RailsError(401)
    return sent
