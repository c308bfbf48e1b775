"""Tables: what a dataset is in the database (a non-public API)."""

from __future__ import annotations

from collections.abc import Iterator
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
from carto.resources import Manager, WarnResource

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/tables/"


class Table(WarnResource):
    """A table of an account.

    Attributes:
        table_size: Bytes on disk.
        schema: Pairs of column and type.
        geometry_types: PostGIS names such as ``ST_Point``.
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

    dependent_visualizations: Any = None
    non_dependent_visualizations: Any = None

    class Meta:
        """Where tables are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        name_field = "name"


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
