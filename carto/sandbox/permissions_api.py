"""``/api/v1/perm``: who else may see or change a visualization.

Each account of a sandbox has a database of its own, so entries are kept and shown, but give nobody access.
"""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.rails_endpoint import RailsCall, RailsError, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, Presenter
from carto.sandbox.visualizations_store import UUID, open_catalog

ACCESSES = ("r", "rw", "n")
NO_ACCESS = "n"


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return rails_routes("v1/perm/{id}", rails_endpoint(state, update), ["PUT"])


async def update(call: RailsCall) -> Response:
    """Replace the list of who has access."""
    wanted = call.request.path_params["id"]
    if not UUID.fullmatch(wanted):
        raise RailsError(404)
    async with open_catalog(call.state, call.account) as catalog:
        query = "SELECT id FROM carto_sandbox.visualizations WHERE permission_id = %s"
        found = await catalog.rows(query, [wanted])
        if not found:
            raise RailsError(404)
        acl = [_entry(call.state, each) for each in _listed(call.params.get("acl"))]
        kept = [each for each in acl if each["access"] != NO_ACCESS]
        visualization_id = found[0]["id"]
        await catalog.change(visualization_id, {"acl": Jsonb(kept), "permission_updated_at": "now"})
        row = await catalog.find(str(visualization_id))
        assert row is not None, "it was there a moment ago, in this transaction"
        presenter = await Presenter.of(call, catalog, [row])
        shown = presenter.permission(row)
    return rails_json({**shown, "owner": {**shown["owner"], "groups": []}})


def _listed(acl: Any) -> list[Any]:
    if not isinstance(acl, list):
        raise RailsError(400)
    return acl


def _entry(state: ServerState, sent: Any) -> Json:
    """Return what is kept of an entry; the only entities of a sandbox are its accounts.

    Raises:
        RailsError: 400, the entry makes no sense.
    """
    entity = sent.get("entity") if isinstance(sent, dict) else None
    if not isinstance(entity, dict) or sent.get("type") != "user" or sent.get("access") not in ACCESSES:
        raise RailsError(400)
    user = next((each for each in state.accounts.values() if each.user_id == entity.get("id")), None)
    if user is None:
        raise RailsError(400)
    return {"type": "user", "user": user.name, "access": sent["access"]}
