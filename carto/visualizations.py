"""Maps as people see them in their account: list, change, delete, export (a non-public API)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from requests import Response

from carto.display import html_table
from carto.exceptions import CartoUsageException
from carto.export import ExportJob
from carto.fields import (
    BooleanField,
    CharField,
    DateTimeField,
    DictField,
    IntegerField,
    PermissionField,
    SynchronizationField,
    TableField,
)
from carto.resources import Manager, WarnResource

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/viz/"

#: carto-python's names for how long an export is waited for; their product is the deadline, in seconds.
MAX_NUMBER_OF_RETRIES = 30
INTERVAL_BETWEEN_RETRIES_S = 5

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Visualization(WarnResource):
    """A map.

    Attributes:
        privacy: ``PUBLIC``, ``PRIVATE``, ``LINK`` or ``PASSWORD``.
        stats: Views per day, of the last 30 days.
        related_tables: The tables it shows; not in listings.
    """

    active_child = CharField()
    active_layer_id = CharField()
    attributions = CharField()
    auth_tokens = CharField(many=True)
    children = CharField(many=True)
    created_at = DateTimeField()
    description = CharField()
    display_name = CharField()
    external_source = DictField()
    id = CharField()
    kind = CharField()
    license = CharField()
    liked = BooleanField()
    likes = IntegerField()
    locked = BooleanField()
    map_id = CharField()
    name = CharField()
    next_id = CharField()
    parent_id = CharField()
    permission = PermissionField()
    prev_id = CharField()
    privacy = CharField()
    related_tables = TableField(many=True)
    source = CharField()
    stats = DictField()
    synchronization = SynchronizationField()
    table = TableField()
    tags = CharField(many=True)
    title = CharField()
    transition_options = DictField()
    type = CharField()
    updated_at = DateTimeField()
    url = CharField()
    uses_builder_features = BooleanField()
    version = CharField()

    display_columns = ("name", "privacy", "updated_at", "tags", "id")

    class Meta:
        """Where maps are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        name_field = "name"

    def export(self, timeout: float | None = None, on_state: Callable[[Any], None] | None = None) -> str:
        """Export the map to a .carto file on the server.

        Args:
            timeout: Seconds to wait at most; 150 when not given.
            on_state: Called with the `ExportJob`, after each time that it was read.

        Returns:
            The URL of the file.

        Raises:
            CartoJobException: The export failed, or is not done in time.
            CartoResponseException: The server refused.
        """
        job = ExportJob(self.client, self.get_id())
        job.run()
        wait = MAX_NUMBER_OF_RETRIES * INTERVAL_BETWEEN_RETRIES_S if timeout is None else timeout
        return job.wait(wait, on_state)

    def _repr_html_(self) -> str:
        rows = [(name, getattr(self, name)) for name in ("id", "name", "privacy", "description", "tags", "url")]
        return html_table(("", str(self)), rows)


class VisualizationManager(Manager[Visualization]):
    """The maps of an account."""

    resource_class = Visualization
    json_collection_attribute = "visualizations"
    paged = True

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request about maps, and not about what else the server keeps as visualizations."""
        params = {"type": "derived", "exclude_shared": "true", **(client_args.pop("params", None) or {})}
        return super().send(url, http_method, params=params, **client_args)

    def get(self, resource_id: Any) -> Visualization:
        """Read a map.

        Args:
            resource_id: Its id, or its name.

        Returns:
            The map.

        Raises:
            CartoNotFoundException: There is none.
            CartoUsageException: Several have that name; the text lists their ids.
        """
        name = str(resource_id)
        if resource_id is None or _UUID.fullmatch(name):
            return super().get(resource_id)
        found = [each for each in self.iterate(q=name) if each.name == name]
        if len(found) > 1:
            ids = ", ".join(f"{each.id} (changed {each.updated_at})" for each in found)
            raise CartoUsageException(f"{len(found)} maps are called {name!r}: get one by its id: {ids}")
        # the server's own look-up by name gives its error when there is none
        return super().get(found[0].id if found else name)
