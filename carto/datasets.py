"""Datasets: import, list, change, delete (partly a non-public API)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar

from carto._viz import VisualizationResource, VisualizationsManager
from carto.display import Listing
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoJobException, CartoUsageException
from carto.fields import CharField, IntegerField, UserField, VisualizationField
from carto.file_import import FileImportJob, FileImportJobManager, is_url
from carto.jobs import checked_timeout
from carto.progress import Progress, checked_progress, showing_states
from carto.sync_tables import SyncTableJob, SyncTableJobManager
from carto.tables import TableManager

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/viz/"

#: carto-python's names for how long an import is waited for; their product is the deadline, in seconds.
MAX_NUMBER_OF_RETRIES = 60
INTERVAL_BETWEEN_RETRIES_S = 10

#: Dependent maps that are named when a dataset is not deleted because of them.
_DEPENDENTS_NAMED = 100
#: The server's code for an import that was told to skip tables that exist, and found no others.
_ALL_SKIPPED = 1022


class Dataset(VisualizationResource):
    """A dataset: a table, and what the account keeps about it.

    Attributes:
        privacy: ``PUBLIC``, ``PRIVATE`` or ``LINK``.
        stats: Views per day, of the last 30 days.
        table: The table in the database.
        dependent_visualizations: The newest of the maps that show it.
    """

    connector = CharField()
    dependent_visualizations = VisualizationField(many=True)
    dependent_visualizations_count = IntegerField()
    user = UserField()

    class Meta:
        """Where datasets are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)

    def delete(self) -> None:
        """Delete the dataset and its table, unless maps depend on it.

        Raises:
            CartoUsageException: Maps depend on it; the text names them. `force_delete` deletes all the same.
            CartoResponseException: The server refused.
        """
        self._read_dependents()
        if self.dependent_visualizations_count:
            raise CartoUsageException(f"dataset {self} was not deleted, because maps depend on it: "
                                      f"{self._dependents()}; force_delete() deletes it and them")
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
        fresh = type(self)(self.client)
        fresh.send(path, "get", params={"with_dependent_visualizations": _DEPENDENTS_NAMED}, idempotent=True)
        # the rest may have been changed here, to be saved when the dataset is not deleted
        self.update_from_dict({name: value for name, value in vars(fresh).items() if name.startswith("dependent_")})

    def _dependents(self) -> str:
        names = [str(each.name) for each in self.dependent_visualizations or ()]
        others = self.dependent_visualizations_count - len(names)
        return ", ".join([*names, f"{others} more"] if others > 0 else names)

    def _shown(self) -> list[tuple[str, Any]]:
        table = self.table
        pieces = [] if table is None else [
            ("rows", table.row_count), ("bytes", table.size), ("geometry", table.geometry_types)]
        return [*super()._shown(), *pieces]


class DatasetManager(VisualizationsManager[Dataset]):
    """The datasets of an account.

    Example:
        >>> datasets = DatasetManager(auth_client)
        >>> cities = datasets.create("examples/files/populated_places.csv", privacy="LINK")
        >>> cities.description = "Where people live"
        >>> answer = cities.save()
        >>> [(dataset.name, dataset.privacy, dataset.description) for dataset in datasets.all()]
        [('populated_places', 'LINK', 'Where people live')]
    """

    resource_class = Dataset
    parameters: ClassVar[dict[str, str]] = {
        "type": "table", "exclude_shared": "true", "with_dependent_visualizations": "1"}

    def is_sync_table(self, archive: Any, interval: int | None, **import_args: Any) -> bool:
        """Tell whether the arguments of `create` ask for a dataset that is fetched again at an interval."""
        is_database = not import_args.keys().isdisjoint(("connection", "connector"))
        return interval is not None and (is_url(archive) or is_database)

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
            progress: Called with the bytes sent and the whole, or True for a bar and then the state.
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
        deadline = _deadline(timeout, progress)
        job = self._started(archive, progress, import_args) if interval is None else \
            self._started_sync(archive, interval, import_args)
        if not wait:
            return job
        _wait(job, deadline, progress, on_state)
        return self._imported(job) if isinstance(job, FileImportJob) else self.get(job.visualization_id or job.name)

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
            CartoUsageException: The arguments do not go together; an interval goes with `create` alone.
        """
        if import_args.get("interval") is not None:
            raise CartoUsageException("create_all takes no interval: create(archive, interval) makes one dataset that "
                                      "is fetched again")
        deadline = _deadline(timeout, progress)
        before = {each.id: each.updated_at for each in self.iterate()}
        job = self._started(archive, progress, import_args)
        _wait(job, deadline, progress, on_state)
        count = job.tables_created_count or 0
        if count <= 1:
            return Listing(each for each in [self._imported(job)] if each is not None)
        return _made(job, count, before, self.iterate())

    def _started(self, archive: Any, progress: Progress, import_args: dict[str, Any]) -> FileImportJob:
        return FileImportJobManager(self.client).create(archive, progress=progress, **import_args)

    def _started_sync(self, archive: Any, interval: Any, import_args: dict[str, Any]) -> SyncTableJob:
        if not self.is_sync_table(archive, interval, **import_args):
            raise CartoUsageException("an interval goes with a URL or with connection=: "
                                      "the server cannot fetch a local file again")
        return SyncTableJobManager(self.client).create(archive, interval, **import_args)

    def _imported(self, job: FileImportJob) -> Dataset | None:
        """Find the dataset of an import; an import that skipped everything has none."""
        if job.error_code == _ALL_SKIPPED or (job.table_id is None and job.table_name is None):
            return None
        table = TableManager(self.client).get(job.table_id or job.table_name)
        return self.get(table.table_visualization.id if table.table_visualization else table.name)


def _deadline(timeout: float | None, progress: Progress) -> float:
    """Choose how long to wait; what could not be waited with is refused before anything is sent."""
    checked_progress(progress)
    return checked_timeout(MAX_NUMBER_OF_RETRIES * INTERVAL_BETWEEN_RETRIES_S if timeout is None else timeout)


def _wait(job: FileImportJob | SyncTableJob, deadline: float, progress: Progress,
          on_state: Callable[[Any], None] | None) -> None:
    with showing_states(progress, on_state, "import") as show:
        job.wait(deadline, show)


def _made(job: FileImportJob, count: int, before: dict[str, datetime], after: Iterable[Dataset]) -> Listing[Dataset]:
    """Tell the datasets of an import from all others: the server names only the first one."""
    changed = Listing(each for each in after if each.id not in before or each.updated_at != before[each.id])
    new = Listing(each for each in changed if each.id not in before)
    for found in (new, changed):  # an import that overwrites makes nothing new
        if len(found) == count:
            return found
    names = ", ".join(str(each.name) for each in changed)
    raise CartoJobException(f"import {job.get_id()} made {count} datasets, which can't be told from others "
                            f"that were made or changed meanwhile: {names}", job.get_id(), job.state, None, job)
