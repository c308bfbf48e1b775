"""Visualizations, their tables, permissions and owners in the forms in which the API shows them."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from carto.sandbox import synchronizations_store
from carto.sandbox.accounts import Account
from carto.sandbox.rails_endpoint import RailsCall
from carto.sandbox.user_presenter import COUNTS, public_user, user_object
from carto.sandbox.user_presenter import Json as Json
from carto.sandbox.visualizations_store import Catalog, Row

DAYS_OF_STATS = 30
SYNCHRONIZATION_KEYS = (
    "id", "name", "interval", "url", "state", "user_id", "created_at", "updated_at", "run_at", "ran_at",
    "modified_at", "etag", "checksum", "log_id", "error_code", "error_message", "retried_times", "service_name",
    "service_item_id", "type_guessing", "quoted_fields_guessing", "content_guessing", "visualization_id",
    "from_external_source",
)  # fmt: skip
_FOR_ALL = (
    "id", "name", "display_name", "attributions", "source", "license", "type", "tags", "description", "created_at",
    "updated_at", "title", "kind", "privacy",
)  # fmt: skip
@dataclass(frozen=True)
class Pieces:
    """Which of the pieces of a visualization are shown that can be left out.

    Attributes:
        off: Names of those that are left out.
    """

    off: frozenset[str] = frozenset()

    @classmethod
    def asked_for(cls, params: Mapping[str, Any], *, by_default: bool) -> Pieces:
        """Read the parameters ``show_...``.

        Args:
            params: Parameters of the request.
            by_default: Whether the pieces are there that only one of list and single answer has by itself.
        """
        on = dict.fromkeys(("liked", "permission", "stats", "auth_tokens"), by_default)
        on |= dict.fromkeys(("table", "synchronization", "uses_builder_features", "table_size_and_row_count"), True)
        wanted = {name: str(params.get(f"show_{name}", default)).lower() == "true" for name, default in on.items()}
        return cls(frozenset(name for name, is_on in wanted.items() if not is_on))

    def __contains__(self, name: str) -> bool:
        return name not in self.off


ALL_PIECES = Pieces()


def base_url(call: RailsCall, name: str | None = None) -> str:
    """Return the URL of an account as the caller reaches it, without a slash at the end.

    Args:
        call: The request.
        name: Name of the account; the one that is called when None.
    """
    name = name or call.account.name
    host = call.request.headers.get("host", "localhost")
    if "user" in call.request.path_params:
        return f"{call.request.url.scheme}://{host}/user/{name}"
    return f"{call.request.url.scheme}://{name}.{host.partition('.')[2]}"


def auth_token(account: Account) -> str:
    """Return the token with which the owner of an account opens private maps; it follows from the master key."""
    digest = hashlib.sha256(f"carto-sandbox-maps:{account.master_key.token}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def synchronization_object(row: Row | None, account: Account) -> Json | None:
    """Show a synchronization."""
    return row and {key: account.user_id if key == "user_id" else row[key] for key in SYNCHRONIZATION_KEYS}


class Presenter:
    """Shows what one request asks for, to whom asks.

    Args:
        call: The request.
        counts: What the account has, for the user object.
        synchronizations: Synchronizations by dataset.
    """

    def __init__(self, call: RailsCall, counts: Row, synchronizations: Mapping[Any, Row]) -> None:
        self.account = call.account
        self.url = base_url(call)
        self.is_owner = call.is_owner
        self._call = call
        self._synchronizations = synchronizations
        user = user_object(self.account, base_url(call), counts)
        self.owner = user if self.is_owner else public_user(user)

    @classmethod
    async def of(cls, call: RailsCall, catalog: Catalog, rows: list[Row]) -> Presenter:
        """Make the presenter of some visualizations."""
        counts = (await catalog.rows(COUNTS))[0]
        ids = [row["id"] for row in rows] if call.is_owner else []
        return cls(call, counts, await synchronizations_store.of_datasets(catalog, ids))

    def visualization(self, row: Row, pieces: Pieces = ALL_PIECES, *, password_is_right: bool = False) -> Json:
        """Show a visualization.

        Args:
            row: The visualization.
            pieces: What is shown of it.
            password_is_right: Whether the viewer knows its password.
        """
        shown = self._private_form(row, pieces) if self.is_owner else {key: row[key] for key in _FOR_ALL}
        if "liked" in pieces:
            shown["liked"] = False
        if "permission" in pieces:
            shown["permission"] = self.permission(row)
        shown["stats"] = _stats() if "stats" in pieces else {}
        if "auth_tokens" in pieces or self.is_owner or password_is_right:
            shown["auth_tokens"] = self._auth_tokens(row, password_is_right)
        if "table" in pieces:
            shown["table"] = self.table(row, pieces) if row["type"] == "table" else {}
        return shown

    def _private_form(self, row: Row, pieces: Pieces) -> Json:
        keys = (
            "id", "name", "display_name", "map_id", "active_layer_id", "type", "tags", "description", "privacy",
            "created_at", "updated_at", "locked", "source", "title", "license", "attributions", "kind",
        )  # fmt: skip
        shown = {key: row[key] for key in keys}
        shown |= {"external_source": {}, "url": self._url_of(row), "version": row["version"]}
        shown |= dict.fromkeys(("prev_id", "next_id", "parent_id"))
        shown |= {"transition_options": row["transition_options"], "active_child": None, "children": []}
        if "synchronization" in pieces:
            shown["synchronization"] = self.synchronization(row)
        if "uses_builder_features" in pieces:
            shown["uses_builder_features"] = False
        return shown

    def _url_of(self, row: Row) -> str:
        if row["type"] == "table":
            return f"{self.url}/tables/{row['name']}"
        if row["type"] == "derived":
            return f"{self.url}/viz/{row['id']}/map"
        return f"{self.url}/{row['type']}/{row['id']}"

    def _auth_tokens(self, row: Row, password_is_right: bool) -> list[str]:
        if row["privacy"] == "PRIVATE" and self.is_owner:
            return [auth_token(self.account)]
        if row["privacy"] == "PASSWORD" and (self.is_owner or password_is_right):
            return [row["auth_token"]]
        return []

    def synchronization(self, row: Row) -> Json | None:
        """Show the synchronization of a dataset, if it has one."""
        return synchronization_object(self._synchronizations.get(row["id"]), self.account)

    def permission(self, row: Row) -> Json:
        """Show who may do what with a visualization."""
        if not self.is_owner:
            return {"id": row["permission_id"], "owner": self.owner}
        return {
            "id": row["permission_id"],
            "owner": self.owner,
            "entity": {"id": row["id"], "type": "vis"},
            "acl": [self._acl_entry(entry) for entry in row["acl"] if entry["user"] in self._call.state.accounts],
            "created_at": row["created_at"],
            "updated_at": row["permission_updated_at"],
        }

    def _acl_entry(self, entry: Json) -> Json:
        other = self._call.state.accounts[entry["user"]]
        user = public_user(user_object(other, base_url(self._call, other.name), defaultdict(int)))
        return {"type": entry["type"], "entity": user, "access": entry["access"]}

    def table(self, row: Row, pieces: Pieces = ALL_PIECES) -> Json:
        """Show the table of a dataset, as it stands inside visualizations."""
        shown = {
            "id": row["table_id"],
            "name": row["name"] if self.is_owner else f"public.{row['name']}",
            "geometry_types": row["geometry_types"] or [],
            "privacy": table_privacy(row),
            "updated_at": row["changed_at"],
            "synchronization": self.synchronization(row),
        }
        if "table_size_and_row_count" in pieces:
            shown |= {"size": row["size"], "row_count": row["row_count"]}
        if "permission" in pieces:
            shown["permission"] = self.permission(row)
        return shown

    def dependents(self, maps: list[Row]) -> list[Json]:
        """Show maps in the short form in which they stand in what they depend on."""
        return [
            {
                "id": row["id"],
                "name": row["name"],
                "updated_at": row["updated_at"],
                "permission": {"id": row["permission_id"], "owner": self.owner},
                "auth_tokens": self._auth_tokens(row, password_is_right=False),
            }
            for row in maps
        ]


def table_privacy(row: Row) -> str:
    """Return the privacy of a dataset's table, which knows no links."""
    return "PUBLIC" if row["privacy"] == "LINK" else str(row["privacy"])


def _stats() -> dict[str, int]:
    """Return the views of each of the last days: nobody looks at a map here."""
    today = date.today()
    days = (today - timedelta(days=ago) for ago in range(DAYS_OF_STATS - 1, -1, -1))
    return {day.isoformat(): 0 for day in days}
