"""Exports of maps to .carto files (a non-public API)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any
from urllib.parse import urljoin

from requests import Response

from carto import jobs
from carto._http.files import writable_target, write_blocks
from carto._http.session import Sender, new_session, same_origin
from carto._http.streams import expected_size, read_blocks
from carto._http.timeouts import TRANSFER
from carto._http.wire import Block
from carto.auth import NoCredentials, SendsRequests, read_data, send_with
from carto.exceptions import CartoInvalidResponseException, CartoUsageException
from carto.fields import CharField, DateTimeField
from carto.progress import Progress, counted
from carto.resources import WarnAsyncResource

API_VERSION = "v3"
API_ENDPOINT = "api/{api_version}/visualization_exports/"

_DONE = "complete"
_FAILED = "failure"
#: What a .carto file begins with: it is a zip archive.
_ZIP = b"PK"


class ExportJob(WarnAsyncResource):
    """The export of one visualization.

    Args:
        client: The auth client to send with.
        visualization_id: The id of the visualization; only maps can be exported.

    Attributes:
        state: pending, exporting, uploading, complete or failure.
        url: Where the file is; the server may leave the host out: see `file_url`.
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
        return self.file_url()

    def file_url(self) -> str:
        """Return the URL of the .carto file.

        Raises:
            CartoUsageException: The export is not done.
        """
        if not self.url:
            raise CartoUsageException(f"export {self.id} has no file: its state is {self.state}")
        return urljoin(str(getattr(self.client, "base_url", "")), str(self.url))

    def download(self, path: str | os.PathLike[str], *, progress: Progress = None) -> None:
        """Write the .carto file to a file here.

        Args:
            path: The file; it is as before when anything fails.
            progress: Called with the bytes that have come and the whole, or True for a bar.

        Raises:
            CartoUsageException: The export is not done.
            CartoException: The file could not be fetched.
            OSError: The file can't be written.
        """
        target = writable_target(path)
        with self._fetched(self.file_url()) as response:
            write_blocks(target, counted(_checked(response), progress, target.name, expected_size(response)))

    @contextlib.contextmanager
    def _fetched(self, url: str) -> Iterator[Response]:
        """Ask for the file, with credentials only where they belong: it often lies with a storage service."""
        wanted: dict[str, Any] = {"timeout": TRANSFER, "idempotent": True, "stream": True}
        if same_origin(url, str(getattr(self.client, "base_url", ""))):
            with send_with(self.client, url, "get", **wanted) as response:
                yield response
            return
        with new_session() as session:
            own = getattr(self.client, "session", session)
            session.verify, session.proxies, session.trust_env = own.verify, own.proxies, own.trust_env
            with Sender().send(session, "get", url, auth=NoCredentials(), **wanted) as response:
                yield response

    def _read_state(self) -> jobs.JobState:
        self.refresh()
        return self._job_state()

    def _job_state(self) -> jobs.JobState:
        state = str(self.state)
        reason = "the server tells no address of the file" if state == _DONE and not self.url else None
        return jobs.JobState("export", str(self.id), state, state not in (_DONE, _FAILED), self, reason)


def _checked(response: Response) -> Generator[Block, None, None]:
    """Read a file of which at least the beginning is one."""
    if response.status_code >= 300:
        read_data(response)
    with contextlib.closing(read_blocks(response)) as blocks:
        begun = b""
        while len(begun) < len(_ZIP) and (block := next(blocks, b"")):
            begun += block
        if not begun.startswith(_ZIP):
            raise CartoInvalidResponseException(response, f"that is no .carto file: it begins with {begun[:40]!r}")
        yield begun
        yield from blocks
