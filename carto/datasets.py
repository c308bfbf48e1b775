"""Datasets: import, list, change, delete (partly a non-public API)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from requests import Response

from carto.auth import data_of
from carto.display import Listing, html_table
from carto.exceptions import CartoJobException, CartoNotFoundException, CartoUsageException
from carto.fields import (
    BooleanField,
    CharField,
    DateTimeField,
    DictField,
    IntegerField,
    PermissionField,
    SynchronizationField,
    TableField,
    UserField,
    VisualizationField,
)
from carto.file_import import FileImportJob, FileImportJobManager, is_url
from carto.progress import Progress
from carto.resources import Manager, WarnResource
from carto.sync_tables import SyncTableJob, SyncTableJobManager
from carto.tables import TableManager

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/viz/"

#: carto-python's names for how long an import is waited for; their product is the deadline, in seconds.
MAX_NUMBER_OF_RETRIES = 60
INTERVAL_BETWEEN_RETRIES_S = 10

#: Dependent maps that are named when a dataset is not deleted because of them.
_DEPENDENTS_NAMED = 100


class Dataset(WarnResource):
    """A dataset: a table, and what the account keeps about it.

    Attributes:
        privacy: ``PUBLIC``, ``PRIVATE`` or ``LINK``.
        stats: Views per day, of the last 30 days.
        table: The table in the database.
    """

    active_child = CharField()
    active_layer_id = CharField()
    attributions = CharField()
    auth_tokens = CharField(many=True)
    children = CharField()
    created_at = DateTimeField()
    connector = CharField()
    dependent_visualizations = VisualizationField(many=True)
    dependent_visualizations_count = IntegerField()
    description = CharField()
    display_name = CharField()
    external_source = CharField()
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
    user = UserField()

    display_columns = ("name", "privacy", "updated_at", "tags", "id")

    class Meta:
        """Where datasets are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        name_field = "name"

    def delete(self) -> None:
        """Delete the dataset and its table, unless maps depend on it.

        Raises:
            CartoUsageException: Maps depend on it; the text names them. `force_delete` deletes all the same.
            CartoResponseException: The server refused.
        """
        if self.dependent_visualizations_count is None or self.dependent_visualizations_count > 0:
            self._read_dependents()
        if self.dependent_visualizations_count:
            names = ", ".join(str(each.name) for each in self.dependent_visualizations or ())
            raise CartoUsageException(f"dataset {self} was not deleted: {self.dependent_visualizations_count} maps "
                                      f"depend on it ({names}); force_delete() deletes it and them")
        super().delete()

    def force_delete(self) -> None:
        """Delete the dataset, its table, and the maps that show nothing else.

        Raises:
            CartoResponseException: The server refused.
        """
        super().delete()

    def _read_dependents(self) -> None:
        path = self.get_resource_endpoint()
        if path is None:
            raise CartoUsageException("the dataset has no id: it was not read from the server")
        self.send(path, "get", params={"with_dependent_visualizations": _DEPENDENTS_NAMED}, idempotent=True)

    def _repr_html_(self) -> str:
        rows = [(name, getattr(self, name)) for name in ("id", "name", "privacy", "description", "tags", "updated_at")]
        table = self.table
        if table is not None:
            rows += [("rows", table.row_count), ("bytes", table.size), ("geometry", table.geometry_types)]
        return html_table(("", str(self)), rows)


class DatasetManager(Manager[Dataset]):
    """The datasets of an account."""

    resource_class = Dataset
    json_collection_attribute = "visualizations"
    paged = True

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request about datasets, and not about what else the server keeps as visualizations."""
        params = {"type": "table", "exclude_shared": "true", "with_dependent_visualizations": "1",
                  **(client_args.pop("params", None) or {})}
        return super().send(url, http_method, params=params, **client_args)

    def get(self, resource_id: Any) -> Dataset:
        """Read a dataset.

        Args:
            resource_id: Its id, or its name.

        Returns:
            The dataset.

        Raises:
            CartoNotFoundException: There is none, or a map has that name.
        """
        path = self.get_resource_endpoint(resource_id)
        if path is None:
            raise CartoUsageException("DatasetManager.get needs an id or a name")
        response = self.send(path, "get", idempotent=True)
        data = data_of(self.client, response)
        kind = data.get("type") if isinstance(data, dict) else None
        if kind not in (None, "table"):
            raise CartoNotFoundException(
                response, f"there is no dataset {resource_id}, but a visualization of type {kind}")
        return self._built(data)

    def is_sync_table(self, archive: Any, interval: int | None, **import_args: Any) -> bool:
        """Tell whether the arguments of `create` ask for a dataset that is fetched again at an interval."""
        return interval is not None and (is_url(archive) or "connection" in import_args)

    def create(self, archive: Any = None, interval: int | None = None, *, wait: bool = True,
               timeout: float | None = None, progress: Progress = None,
               on_state: Callable[[Any], None] | None = None, **import_args: Any) -> Any:
        """Import a dataset.

        Args:
            archive: A URL, a path (text or `pathlib.Path`), a file open for bytes, or the bytes themselves;
                None with ``connection=`` (a database), ``sql=`` or ``table_copy=``.
            interval: Seconds after which the URL or the database is fetched again, 900 or more.
            wait: Whether to wait until the dataset is there.
            timeout: Seconds to wait; MAX_NUMBER_OF_RETRIES times INTERVAL_BETWEEN_RETRIES_S when not given.
            progress: Called with the bytes sent and the whole, or True for a bar.
            on_state: Called with the job, after each time that it was read.
            **import_args: Options of the Import API: privacy, create_vis, type_guessing,
                quoted_fields_guessing, content_guessing, collision_strategy, table_name, ...

        Returns:
            The dataset (None where ``collision_strategy="skip"`` left everything out), or the job when
            it is not waited for: a `FileImportJob`, or a `SyncTableJob` with an interval.

        Raises:
            CartoJobException: The import failed, with the server's code, title and advice.
            CartoUsageException: The arguments do not go together.
        """
        if interval is not None:
            sync = self._start_sync(archive, interval, import_args)
            return self._synchronized(sync, timeout, on_state) if wait else sync
        job = FileImportJobManager(self.client).create(archive, progress=progress, **import_args)
        if not wait:
            return job
        job.wait(_deadline(timeout), on_state)
        return self._imported(job)

    def create_all(self, archive: Any = None, *, timeout: float | None = None, progress: Progress = None,
                   on_state: Callable[[Any], None] | None = None, **import_args: Any) -> Listing[Dataset]:
        """Import a file of several layers or files.

        Args:
            archive: See `create`, as for the other arguments.
            timeout: See `create`.
            progress: See `create`.
            on_state: See `create`.
            **import_args: See `create`.

        Returns:
            Every dataset that it became.

        Raises:
            CartoJobException: The import failed, or its datasets can't be told from others that came meanwhile.
        """
        known = {each.id for each in self.iterate()}
        job = FileImportJobManager(self.client).create(archive, progress=progress, **import_args)
        job.wait(_deadline(timeout), on_state)
        count = job.tables_created_count or 0
        if count <= 1:
            return Listing(each for each in [self._imported(job)] if each is not None)
        created = Listing(each for each in self.iterate() if each.id not in known)
        if len(created) == count:
            return created
        names = ", ".join(str(each.name) for each in created)
        raise CartoJobException(f"import {job.get_id()} made {count} datasets, but {len(created)} are new: {names}",
                                job.get_id(), job.state, None, job)

    def _start_sync(self, archive: Any, interval: int, import_args: dict[str, Any]) -> SyncTableJob:
        if not self.is_sync_table(archive, interval, **import_args):
            raise CartoUsageException("an interval goes with a URL or with connection=: "
                                      "the server cannot fetch a local file again")
        return SyncTableJobManager(self.client).create(archive, interval, **import_args)

    def _synchronized(self, sync: SyncTableJob, timeout: float | None,
                      on_state: Callable[[Any], None] | None) -> Dataset:
        sync.wait(_deadline(timeout), on_state)
        return self.get(sync.visualization_id)

    def _imported(self, job: FileImportJob) -> Dataset | None:
        """Find the dataset of an import; an import that skipped everything has none."""
        if job.table_id is None and job.table_name is None:
            return None
        table = TableManager(self.client).get(job.table_id or job.table_name)
        return self.get(table.table_visualization.id if table.table_visualization else table.name)


def _deadline(timeout: float | None) -> float:
    return MAX_NUMBER_OF_RETRIES * INTERVAL_BETWEEN_RETRIES_S if timeout is None else timeout


