"""What datasets and maps have in common: the server keeps both as visualizations, told apart by their type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from requests import Response

from carto.auth import data_of
from carto.display import html_table
from carto.exceptions import CartoNotFoundException, CartoUsageException
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

#: Pieces that listings have unless they are switched off, and single ones only when they are asked for.
_PIECES = {"show_liked": "true", "show_permission": "true", "show_stats": "true"}
_TABLE = "table"

V = TypeVar("V", bound="VisualizationResource")


class VisualizationResource(WarnResource):
    """A dataset or a map."""

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

    display_columns = ("name", "privacy", "updated_at", "tags", "id")

    class Meta:
        """What people call it, and which changes the server takes; it refuses those without the id."""

        name_field = "name"
        saved_fields = ("id", "name", "display_name", "description", "tags", "privacy", "locked", "source", "title",
                        "license", "attributions", "kind", "active_layer_id", "transition_options")

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request; what is read is as complete as in a listing."""
        if http_method == "get":
            client_args["params"] = {**_PIECES, **(client_args.get("params") or {})}
        return super().send(url, http_method, **client_args)

    def save(self, force_create: bool = False, fields: Iterable[str] | None = None) -> Response:
        """Send the properties that can be changed: privacy, name, tags, description, attributions and the like.

        None clears a property. The server may have made another name of the one given.

        Args:
            force_create: Whether to create it also when it has an id.
            fields: The names of the fields to send; all that the server takes when not given.

        Returns:
            The answer.

        Raises:
            CartoForbiddenException: The account may not change it, or not in this way.
            CartoResponseException: The server refused.
        """
        return super().save(force_create, None if fields is None else ["id", *fields])

    def _repr_html_(self) -> str:
        return html_table(("", str(self)), self._shown())

    def _shown(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in ("id", "privacy", "description", "tags", "updated_at", "url")]


class VisualizationsManager(Manager[V]):
    """The visualizations of one kind of an account.

    Attributes:
        parameters: What tells them apart from others, and what else every request says.
    """

    json_collection_attribute = "visualizations"
    paged = True
    parameters: ClassVar[Mapping[str, str]] = {}

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request about this kind of visualizations."""
        params = {**_PIECES, **self.parameters, **(client_args.pop("params", None) or {})}
        return super().send(url, http_method, params=params, **client_args)

    def get(self, resource_id: Any) -> V:
        """Read one.

        Args:
            resource_id: Its id, or its name.

        Returns:
            The dataset or map.

        Raises:
            CartoNotFoundException: There is none, or only something else of that name.
            CartoUsageException: There is no id, or several have that name: the text lists their ids.
        """
        path = self.get_resource_endpoint(resource_id)
        if path is None:
            raise CartoUsageException(f"{type(self).__name__}.get needs an id or a name")
        response = self.send(path, "get", idempotent=True)
        data = data_of(self.client, response)
        found = data.get("type") if isinstance(data, Mapping) else None
        if found is not None and (found == _TABLE) is not (self.parameters.get("type") == _TABLE):
            raise CartoNotFoundException(response, f"there is no such {self.resource_class.__name__}: {resource_id} is "
                                                   f"a visualization of type {found}")
        return self._built(data)
