"""Maps as people see them in their account: list, change, delete, export (a non-public API)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, ClassVar

from carto._viz import VisualizationResource, VisualizationsManager
from carto.auth import data_of
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoUsageException
from carto.export import ExportJob
from carto.fields import CharField, TableField
from carto.progress import Progress

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/viz/"

#: carto-python's names for how long an export is waited for; their product is the deadline, in seconds.
MAX_NUMBER_OF_RETRIES = 30
INTERVAL_BETWEEN_RETRIES_S = 5

_UUID = r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Visualization(VisualizationResource):
    """A map.

    Attributes:
        privacy: ``PUBLIC``, ``PRIVATE``, ``LINK`` or ``PASSWORD``.
        password: To be set together with the privacy ``PASSWORD``; the server does not tell it, and it is not
            shown, pickled or copied with the rest.
        stats: Views per day, of the last 30 days.
        related_tables: The tables it shows; not in listings.
    """

    related_tables = TableField(many=True)
    version = CharField()
    password = CharField()

    class Meta:
        """Where maps are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        saved_fields = (*VisualizationResource.Meta.saved_fields, "password")
        secret_fields = ("password",)

    def export(self, timeout: float | None = None, on_state: Callable[[Any], None] | None = None) -> str:
        """Export the map to a .carto file on the server.

        Args:
            timeout: Seconds to wait at most; MAX_NUMBER_OF_RETRIES times INTERVAL_BETWEEN_RETRIES_S when not given.
            on_state: Called with the `ExportJob`, after each time that it was read.

        Returns:
            The URL of the file.

        Raises:
            CartoJobException: The export failed, or is not done in time.
            CartoResponseException: The server refused.
        """
        return self._exported(timeout, on_state).file_url()

    def download(self, path: str | os.PathLike[str], timeout: float | None = None,
                 on_state: Callable[[Any], None] | None = None, *, progress: Progress = None) -> None:
        """Export the map to a .carto file here, which can be imported again.

        Args:
            path: The file; it is as before when anything fails.
            timeout: Seconds to wait for the export, as in `export`.
            on_state: Called with the `ExportJob`, after each time that it was read.
            progress: Called with the bytes that have come and the whole, or True for a bar.

        Raises:
            CartoJobException: The export failed, or is not done in time.
            CartoResponseException: The server refused.
            OSError: The file can't be written.
        """
        self._exported(timeout, on_state).download(path, progress=progress)

    def _exported(self, timeout: float | None, on_state: Callable[[Any], None] | None) -> ExportJob:
        if self.get_id() is None:
            raise CartoUsageException("the map has no id: it was not read from the server")
        job = ExportJob(self.client, self.get_id())
        job.run()
        job.wait(MAX_NUMBER_OF_RETRIES * INTERVAL_BETWEEN_RETRIES_S if timeout is None else timeout, on_state)
        return job


class VisualizationManager(VisualizationsManager[Visualization]):
    """The maps of an account."""

    resource_class = Visualization
    parameters: ClassVar[dict[str, str]] = {"type": "derived", "exclude_shared": "true"}

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
        if not name or resource_id is None or re.fullmatch(_UUID, name):
            return super().get(resource_id)
        found = [each for each in self.iterate(q=name) if each.name == name]
        if len(found) > 1:
            ids = ", ".join(f"{each.id} (changed {each.updated_at})" for each in found)
            raise CartoUsageException(f"{len(found)} maps are called {name!r}: get one by its id: {ids}")
        # the server's own look-up by name gives its error when there is none
        return super().get(found[0].id if found else name)

    def create(self, **kwargs: Any) -> Visualization:
        """Create a map.

        Args:
            **kwargs: ``tables`` (names of datasets that it shows) or ``source_visualization_id`` (a map
                to copy, or a dataset), and its properties: name, description, tags, privacy...

        Returns:
            The map.

        Raises:
            CartoResponseException: The server refused.
        """
        body = {"type": "derived", **kwargs}
        return self._built(data_of(self.client, self.send(self.get_collection_endpoint(), "post", json=body)))
