"""Users in the forms in which the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carto.sandbox.accounts import Account

AVATAR = "//assets.example.com/avatars/avatar_stars_red.png"
PROFILE = ("industry", "company_employees", "use_case", "company", "phone", "job_role")
COUNTS = """
SELECT count(*) FILTER (WHERE type = 'table') AS table_count,
       count(*) FILTER (WHERE type = 'derived' AND privacy = 'PUBLIC') AS public_visualization_count,
       count(*) FILTER (WHERE type = 'derived') AS all_visualization_count
FROM carto_sandbox.visualizations
"""
_PUBLIC = (
    "id", "username", "name", "last_name", "avatar_url", "base_url", "google_maps_query_string", "disqus_shortname",
    "viewer", "org_admin", "org_user", "remove_logo",
)  # fmt: skip

Json = dict[str, Any]


def user_object(account: Account, url: str, counts: Mapping[str, Any]) -> Json:
    """Show a user to themselves and to admins of their organization.

    Args:
        account: The user's account.
        url: Its URL.
        counts: What it has: the row of `COUNTS`.
    """
    return {
        "id": account.user_id,
        "name": None,
        "last_name": None,
        "username": account.name,
        "email": account.email or f"{account.name}@example.com",
        "avatar_url": AVATAR,
        **dict.fromkeys(("website", "description", "location", "twitter_username", "disqus_shortname")),
        "available_for_hire": False,
        "base_url": url,
        "google_maps_query_string": None,
        "quota_in_bytes": account.quota_bytes,
        "table_count": counts["table_count"],
        "viewer": account.viewer,
        "role_display": "viewer" if account.viewer else "builder",
        "org_admin": account.is_org_admin,
        "public_visualization_count": counts["public_visualization_count"],
        "all_visualization_count": counts["all_visualization_count"],
        "org_user": account.organization is not None,
        "remove_logo": False,
    }


def public_user(user: Mapping[str, Any]) -> Json:
    """Show a user to others.

    Args:
        user: What `user_object` gave.
    """
    return {key: user[key] for key in _PUBLIC}
