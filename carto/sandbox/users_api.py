"""``/api/v1/users/ID`` and ``/api/v3/me``: the account as its owner sees it.

What belongs to plans, billing and CARTO's own pages is left out: a sandbox has none of these.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.rails_endpoint import RailsCall, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.synchronizer import CONCURRENT_RUNS
from carto.sandbox.visualization_presenter import Json, Presenter
from carto.sandbox.visualizations_store import Row, open_catalog

BYTES_A_MEGABYTE = 1024.0**2
_COUNTS = """
SELECT count(*) FILTER (WHERE type = 'derived' AND privacy = 'PUBLIC') AS public_privacy_map_count,
       count(*) FILTER (WHERE type = 'derived' AND privacy = 'LINK') AS link_privacy_map_count,
       count(*) FILTER (WHERE type = 'derived' AND privacy = 'PASSWORD') AS password_privacy_map_count,
       count(*) FILTER (WHERE type = 'derived' AND privacy = 'PRIVATE') AS private_privacy_map_count,
       count(*) FILTER (WHERE type = 'derived') AS owned_visualization_count,
       count(*) FILTER (WHERE type = 'derived') AS visualization_count,
       max(created_at) AS last_visualization_created_at,
       cartodb.CDB_UserDataSize('public') AS db_size_in_bytes
FROM carto_sandbox.visualizations
"""
_UNLIMITED = (
    "table_quota", "public_map_quota", "public_dataset_quota", "private_map_quota", "regular_api_key_quota",
    "remaining_table_quota", "map_views_quota",
)  # fmt: skip
_ACTIONS = {
    "private_tables": True,
    "private_maps": True,
    "remove_logo": True,
    "sync_tables": True,
    "google_maps_geocoder_enabled": False,
    "google_maps_enabled": False,
    "engine_enabled": True,
    "builder_enabled": False,
    "mobile_sdk_enabled": False,
}


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return [
        *rails_routes("v1/users/{id}", rails_endpoint(state, show_user), ["GET"]),
        *rails_routes("v3/me", rails_endpoint(state, show_me, anonymous=True), ["GET"]),
    ]


async def show_user(call: RailsCall) -> Response:
    """Answer with the user of the URL, whatever the id in the path."""
    return rails_json(await _user_data(call))


async def show_me(call: RailsCall) -> Response:
    """Answer with the user of the URL, to others with what is needed to call the APIs."""
    config = {"user_name": call.account.name, "account_host": call.request.headers.get("host", "")}
    return rails_json({"user_data": await _user_data(call), "config": config} if call.is_owner else {"config": config})


async def _user_data(call: RailsCall) -> Json:
    async with open_catalog(call.state, call.account) as catalog:
        owner = (await Presenter.of(call, catalog, [])).owner
        counts = (await catalog.rows(_COUNTS))[0]
    limits = call.account.import_limits
    return {
        **owner,
        "state": "active",
        "account_type": "SANDBOX",
        "account_type_display_name": "Sandbox",
        "unverified": False,
        **dict.fromkeys(_UNLIMITED),
        **counts,
        **_storage(call.account.quota_bytes, counts),
        "api_key": call.account.master_key.token,
        "actions": _ACTIONS,
        "limits": {
            "concurrent_syncs": CONCURRENT_RUNS,
            "concurrent_imports": limits.concurrent,
            "import_file_size": limits.file_bytes,
            "import_table_rows": limits.rows,
        },
    }


def _storage(quota: int | None, counts: Row) -> Json:
    used = counts["db_size_in_bytes"]
    return {
        "remaining_byte_quota": None if quota is None else float(quota - used),
        "db_size_in_megabytes": round(used / BYTES_A_MEGABYTE, 2),
        "storage": {"quota_in_bytes": quota, "db_size_in_bytes": used},
    }
