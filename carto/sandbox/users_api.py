"""``/api/v1/users/ID`` and ``/api/v3/me``: the account as its owner sees it.

What belongs to plans, billing and CARTO's own pages is left out: a sandbox has none of these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import import_jobs
from carto.sandbox.accounts import Account
from carto.sandbox.import_queue import ImportQueue
from carto.sandbox.key_ring import KeyRing
from carto.sandbox.members import organization_of
from carto.sandbox.organization_users_api import organization_object
from carto.sandbox.rails_endpoint import RailsCall, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.synchronizer import CONCURRENT_RUNS
from carto.sandbox.user_presenter import PROFILE, Json
from carto.sandbox.visualization_presenter import Presenter, base_url
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
    "table_quota", "public_map_quota", "public_dataset_quota", "private_map_quota", "remaining_table_quota",
    "map_views_quota",
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
_SERVICES = {"geocoding": "hires_geocoder", "here_isolines": "isolines", "mapzen_routing": "routing"}
_PROVIDERS = {"geocoder": "hires_geocoder", "isolines": "isolines", "routing": "routing"}
_NOT_HERE = {
    "twitter": {"enabled": False},
    "salesforce": {"enabled": False},
    "mailchimp": {"enabled": False},
    "feature_flags": [],
    "needs_password_confirmation": False,
    "mfa_configured": False,
    "do_enabled": False,
}
_NO_PAGES = {
    "can_change_email": False,
    "auth_username_password_enabled": False,
    "can_change_password": False,
    "can_be_deleted": False,
    "google_sign_in": False,
    "mfa_required": False,
}


@dataclass(frozen=True)
class _Services:
    imports: ImportQueue
    ring: KeyRing


def routes(state: ServerState, imports: ImportQueue, ring: KeyRing) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        imports: Knows the imports of the account.
        ring: Knows its keys.
    """
    services = _Services(imports, ring)

    def answered_by(handler: Callable[[_Services, RailsCall], Awaitable[Response]], **options: bool) -> Any:
        return rails_endpoint(state, partial(handler, services), **options)

    return [
        *rails_routes("v1/users/{id}", answered_by(show_user), ["GET"]),
        *rails_routes("v3/me", answered_by(show_me, anonymous=True), ["GET"]),
    ]


async def show_user(services: _Services, call: RailsCall) -> Response:
    """Answer with the user of the URL, whatever the id in the path."""
    return rails_json(await _user_data(services, call))


async def show_me(services: _Services, call: RailsCall) -> Response:
    """Answer with the user of the URL, to others with what is needed to call the APIs."""
    shown: Json = {"config": _config(call)}
    if call.is_owner:
        shown = {"user_data": await _user_data(services, call), **_NO_PAGES, **shown}
    return rails_json(shown)


def _config(call: RailsCall) -> Json:
    """Say where the APIs of users are."""
    template = base_url(call, "{user}")
    host = call.request.headers.get("host", "")
    return {
        "user_name": call.account.name,
        "account_host": host,
        "sql_api_template": template,
        "maps_api_template": template,
    }


async def _user_data(services: _Services, call: RailsCall) -> Json:
    account = call.account
    async with open_catalog(call.state, account) as catalog:
        owner = (await Presenter.of(call, catalog, [])).owner
        counts = (await catalog.rows(_COUNTS))[0]
    keys = await services.ring.store.all_of(account.name)
    organization = organization_of(call.state, account)
    return {
        **owner,
        "created_at": min(key.created_at for key in keys),
        "state": "active",
        "account_type": "SANDBOX",
        "account_type_display_name": "Sandbox",
        "unverified": False,
        **dict.fromkeys((*PROFILE, *_UNLIMITED)),
        "regular_api_key_quota": account.regular_key_quota,
        **counts,
        **await _import_counts(services.imports, account),
        **_storage(account.quota_bytes, counts),
        **_data_services(account),
        "api_key": account.master_key.token,
        "actions": _ACTIONS,
        "limits": {
            "concurrent_syncs": CONCURRENT_RUNS,
            "concurrent_imports": account.import_limits.concurrent,
            "import_file_size": account.import_limits.file_bytes,
            "import_table_rows": account.import_limits.rows,
        },
        **_NOT_HERE,
        **({"organization": organization_object(call, organization)} if organization else {}),
        "groups": [],
    }


async def _import_counts(imports: ImportQueue, account: Account) -> Json:
    counts = await imports.counts(account)
    return {
        "failed_import_count": counts.get(import_jobs.FAILURE, 0),
        "success_import_count": counts.get(import_jobs.COMPLETE, 0),
        "import_count": sum(counts.values()),
    }


def _storage(quota: int | None, counts: Row) -> Json:
    used = counts["db_size_in_bytes"]
    return {
        "remaining_byte_quota": None if quota is None else float(quota - used),
        "db_size_in_megabytes": round(used / BYTES_A_MEGABYTE, 2),
        "storage": {"quota_in_bytes": quota, "db_size_in_bytes": used},
    }


def _data_services(account: Account) -> Json:
    """Show the quotas of data services, which are all that there is of these."""
    shown: Json = {}
    for name, service in _SERVICES.items():
        quota = account.service_quotas[service]
        shown[name] = {
            "quota": quota.monthly_quota,
            "block_price": None,
            "monthly_use": quota.used_quota,
            "hard_limit": not quota.soft_limit,
        }
    providers = {f"{name}_provider": account.service_quotas[service].provider for name, service in _PROVIDERS.items()}
    return {**shown, **providers}
