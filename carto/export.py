"""Exports of maps to .carto files (a non-public API)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from carto import jobs
from carto.auth import SendsRequests
from carto.fields import CharField, DateTimeField
from carto.resources import WarnAsyncResource

API_VERSION = "v3"
API_ENDPOINT = "api/{api_version}/visualization_exports/"

_DONE = "complete"
_FAILED = "failure"


class ExportJob(WarnAsyncResource):
    """The export of one visualization.

    Args:
        client: The auth client to send with.
        visualization_id: The id of the visualization; only maps can be exported.
    """

    id = CharField()
    visualization_id = CharField()
    user_id = CharField()
    state = CharField()
    url = CharField()
    created_at = DateTimeField()
    updated_at = DateTimeField()

    class Meta:
        """Where exports are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)

    def __init__(self, client: SendsRequests, visualization_id: str | None = None) -> None:
        super().__init__(client)
        if visualization_id is not None:
            self.visualization_id = visualization_id

    def run(self, **export_params: Any) -> None:
        """Start the export.

        Args:
            **export_params: Further parameters, such as ``user_tables_ids``.

        Raises:
            CartoResponseException: The server refused.
        """
        super().run(params={"visualization_id": self.visualization_id, **export_params})

    def wait(self, timeout: float, on_state: Callable[[Any], None] | None = None) -> str:
        """Wait for the file.

        Args:
            timeout: Seconds to wait at most.
            on_state: Called with this job, after each time that it was read.

        Returns:
            The URL of the .carto file.

        Raises:
            CartoJobException: The export failed, or is not done in time.
        """
        last = jobs.wait(self._job_state(), self._read_state, timeout, on_state)
        if last.state != _DONE or not self.url:
            raise jobs.failure(last)
        return urljoin(str(getattr(self.client, "base_url", "")), str(self.url))

    def _read_state(self) -> jobs.JobState:
        self.refresh()
        return self._job_state()

    def _job_state(self) -> jobs.JobState:
        state = str(self.state)
        return jobs.JobState("export", str(self.id), state, state not in (_DONE, _FAILED), self)


