"""Tables: what a dataset is in the database (a non-public API)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from carto.exceptions import CartoUsageException
from carto.fields import (
    CharField,
    DateTimeField,
    IntegerField,
    PermissionField,
    SynchronizationField,
    VisualizationField,
)
from carto.permissions import LINK, PRIVATE, PUBLIC
from carto.resources import Manager, WarnResource

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/tables/"
#: The server takes numbers for what it tells in words.
_PRIVACY_NUMBERS = {PRIVATE: 0, PUBLIC: 1, LINK: 2}


class Table(WarnResource):
    """A table of an account.

    Attributes:
        table_size: Bytes on disk.
        schema: Pairs of column and type.
        geometry_types: PostGIS names such as ``ST_Point``.
        dependent_visualizations: The maps that show nothing else.
    """

    id = CharField()
    name = CharField()
    privacy = CharField()
    permission = PermissionField()
    schema = CharField()
    updated_at = DateTimeField()
    rows_counted = IntegerField()
    row_count = IntegerField()
    size = IntegerField()
    table_size = IntegerField()
    map_id = CharField()
    description = CharField()
    geometry_types = CharField(many=True)
    table_visualization = VisualizationField()
    synchronization = SynchronizationField()
    dependent_visualizations = VisualizationField(many=True)
    non_dependent_visualizations = VisualizationField(many=True)

    class Meta:
        """Where tables are, and what of them can be changed here: the rest is changed in their dataset."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        name_field = "name"
        saved_fields = ("description", "privacy")

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        values = super()._values(names)
        if "privacy" in values:
            values["privacy"] = _PRIVACY_NUMBERS.get(str(values["privacy"]).upper(), values["privacy"])
        return values


class TableManager(Manager[Table]):
    """Reads tables by id or name; the server does not list them."""

    resource_class = Table

    def iterate(self, *, page_size: int | None = None, limit: int | None = None, **search_args: Any) -> Iterator[Table]:
        """Refuse: there is no listing of tables.

        Raises:
            CartoUsageException: Always; it says what to use instead.
        """
        raise CartoUsageException("the server has no list of tables: use carto.datasets.DatasetManager, "
                                  "whose datasets have their table as .table")
