"""COPY: rows in and out of tables as a stream, at the speed of the wire."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from requests import Response

from carto._http.files import writable_target, write_blocks, write_whole
from carto._http.streams import UploadBody, expected_size, read_blocks
from carto._http.timeouts import TRANSFER, UNSET, Timeout, Unset
from carto._http.wire import Block
from carto.auth import SendsRequests, data_of, send_with
from carto.exceptions import CartoInvalidResponseException, CartoUsageException
from carto.progress import Progress, counted, reporting
from carto.sql.constants import DEFAULT_COMPRESSION_LEVEL, MAX_GET_QUERY_LEN, SQL_API_URL
from carto.sql.copy_answer import whole_blocks
from carto.sql.copy_statement import CopyStatement, read_copy
from carto.utils import ResponseStream

_Path: TypeAlias = "str | os.PathLike[str]"

#: Servers refuse a longer header line; the address, a key and the client's name are still to be added to it.
_MAX_QUERY_BYTES = 8192 - 1024


class CopySQLClient:
    """Sends and receives rows with PostgreSQL's COPY.

    The format of the data (csv, text, binary) is the query's. Every ``progress``
    argument takes a function, called with the bytes so far and the whole (None
    where that is not known), or True for a bar on the screen.

    Args:
        client: The auth client to send with.
        api_version: The version of the SQL API.

    Example:
        >>> copy = CopySQLClient(auth_client)
        >>> with copy.copyto_stream("COPY (SELECT generate_series(1, 3)) TO STDOUT") as lines:
        ...     [int(line) for line in lines]
        [1, 2, 3]
    """

    def __init__(self, client: SendsRequests, api_version: str = "v2") -> None:
        self.client = client
        self.api_url = SQL_API_URL.format(api_version=api_version)
        self.api_key = getattr(client, "api_key", None)

    def copyfrom(self, query: str, iterable_data: Any, compress: bool = True,
                 compression_level: int = DEFAULT_COMPRESSION_LEVEL, *, progress: Progress = None,
                 timeout: Timeout | Unset = UNSET) -> Any:
        """Send rows into a table: all of them, or none when anything fails.

        Args:
            query: ``COPY ... FROM STDIN ...``
            iterable_data: The data: an iterable of bytes-like objects or texts (which are sent as UTF-8), a
                file, a path as ``pathlib.Path``, or the bytes themselves.
            compress: Whether to compress the data on its way; on a line of more than a gigabit it costs time.
            compression_level: gzip's level, from 1 (fastest) to 9 (smallest).
            progress: See the class.
            timeout: Seconds that the server may take nothing, and to wait for its answer; 600 when not given.

        Returns:
            The answer, with ``total_rows`` and ``time`` (seconds).

        Raises:
            CartoBadRequestException: The database refused the data, perhaps while it was being sent.
            CartoTransportException: No answer came.
            CartoUsageException: The query is not a COPY FROM STDIN.
            Exception: What the iterable itself raises; then nothing is left in the table.
        """
        statement = read_copy(query, "FROM")
        if len(quote_plus(statement.text)) > _MAX_QUERY_BYTES:
            raise CartoUsageException("the query of a COPY FROM travels in the URL, for which this one is too long "
                                      f"(the limit is {_MAX_QUERY_BYTES} bytes): leave the list of columns out")
        with reporting(progress, "COPY FROM") as report:
            body = UploadBody(iterable_data, compression_level if compress else None, report)
            response = self._upload(statement, body, compress, timeout)
        data = data_of(self.client, response)
        if not isinstance(data, dict) or "error" in data:
            raise CartoInvalidResponseException(response)
        return data

    def copyfrom_file_object(self, query: str, file_object: Any, compress: bool = True,
                             compression_level: int = DEFAULT_COMPRESSION_LEVEL, *, progress: Progress = None,
                             timeout: Timeout | Unset = UNSET) -> Any:
        """Send the rest of a file into a table; see `copyfrom`."""
        if not hasattr(file_object, "read"):
            raise CartoUsageException(f"file_object must be an open file, not {type(file_object).__name__}: "
                                      "copyfrom_file_path takes a path, copyfrom an iterable")
        return self.copyfrom(query, file_object, compress, compression_level, progress=progress, timeout=timeout)

    def copyfrom_file_path(self, query: str, path: _Path, compress: bool = True,
                           compression_level: int = DEFAULT_COMPRESSION_LEVEL, *, progress: Progress = None,
                           timeout: Timeout | Unset = UNSET) -> Any:
        """Send the file at a path into a table; see `copyfrom`."""
        return self.copyfrom(query, Path(path), compress, compression_level, progress=progress, timeout=timeout)

    def copyto(self, query: str, *, timeout: Timeout | Unset = UNSET) -> Response:
        """Ask for rows, and leave the reading of them to the caller.

        A COPY that fails on its way ends in an error behind the data, with a
        normal end: only the other methods look for that. Close the answer.

        Args:
            query: ``COPY ... TO STDOUT ...``
            timeout: Seconds to wait for the next data; 600 when not given.

        Returns:
            The answer, whose body has not been read yet.

        Raises:
            CartoBadRequestException: The database refused the query.
            CartoTransportException: No answer came.
            CartoUsageException: The query is not a COPY TO STDOUT.
        """
        return self._download(read_copy(query, "TO"), timeout)

    def copyto_file_object(self, query: str, file_object: Any, *, progress: Progress = None,
                           timeout: Timeout | Unset = UNSET) -> None:
        """Write rows into a file that the caller opened for bytes.

        Args:
            query: ``COPY ... TO STDOUT ...``
            file_object: The file; it is not closed.
            progress: See the class.
            timeout: Seconds to wait for the next data; 600 when not given.

        Raises:
            CartoPartialResultException: The COPY failed on its way; what had come stays in the file.
            CartoException: See `copyto`.
        """
        if not hasattr(file_object, "write"):
            raise CartoUsageException(f"file_object must be a file that is open for bytes, not "
                                      f"{type(file_object).__name__}: copyto_file_path takes a path")
        if isinstance(file_object, io.TextIOBase):
            raise CartoUsageException("file_object is open for text, but the data is bytes: open it with mode 'wb'")
        with self._blocks(query, progress, timeout) as blocks:
            for block in blocks:
                write_whole(file_object, block)

    def copyto_file_path(self, query: str, path: _Path, append: bool = False, *, progress: Progress = None,
                         timeout: Timeout | Unset = UNSET) -> None:
        """Write rows into the file at a path, which is as before when anything fails.

        Devices, pipes and files in directories that can't be written are written themselves, as the rows come.

        Args:
            query: ``COPY ... TO STDOUT ...``
            path: The file; its directory must exist. A symbolic link is followed.
            append: Whether to add to an existing file in place of replacing it.
            progress: See the class.
            timeout: Seconds to wait for the next data; 600 when not given.

        Raises:
            CartoPartialResultException: The COPY failed on its way.
            CartoException: See `copyto`.
            OSError: The file can't be written.
        """
        target = writable_target(path)
        with self._blocks(query, progress, timeout) as blocks:
            write_blocks(target, blocks, append)

    def copyto_stream(self, query: str, *, progress: Progress = None,
                      timeout: Timeout | Unset = UNSET) -> ResponseStream:
        """Ask for rows as a file to read from, such as for ``pandas.read_csv``.

        Args:
            query: ``COPY ... TO STDOUT ...``
            progress: See the class.
            timeout: Seconds to wait for the next data; 600 when not given.

        Returns:
            A file of bytes. Close it when its end is not reached: that cancels the statement. Its last
            read raises CartoPartialResultException when the COPY failed on its way.

        Raises:
            CartoException: See `copyto`.
        """
        statement = read_copy(query, "TO")
        response = self._download(statement, timeout)
        return ResponseStream(response, blocks=_reported_blocks(response, statement, progress))

    @contextlib.contextmanager
    def _blocks(self, query: str, progress: Progress, timeout: Timeout | Unset) -> Iterator[Iterator[Block]]:
        statement = read_copy(query, "TO")
        response = self._download(statement, timeout)
        with response, contextlib.closing(_reported_blocks(response, statement, progress)) as blocks:
            yield blocks

    def _upload(self, statement: CopyStatement, body: UploadBody, compress: bool,
                timeout: Timeout | Unset) -> Response:
        headers = {"Content-Type": "application/octet-stream"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return body.sent_by(lambda: send_with(
            self.client, f"{self.api_url}/copyfrom", "post", params={"q": statement.text}, data=body, headers=headers,
            timeout=_wait(timeout)))

    def _download(self, statement: CopyStatement, timeout: Timeout | Unset) -> Response:
        short = len(statement.text) < MAX_GET_QUERY_LEN and len(quote_plus(statement.text)) < _MAX_QUERY_BYTES
        method, place = ("get", "params") if short else ("post", "data")
        query: dict[str, Any] = {place: {"q": statement.text}}
        response = send_with(self.client, f"{self.api_url}/copyto", method, stream=True, timeout=_wait(timeout),
                             **query)
        if response.status_code < 300 and "html" not in response.headers.get("Content-Type", ""):
            return response
        with response:
            data_of(self.client, response)
            raise CartoInvalidResponseException(response)


def _wait(timeout: Timeout | Unset) -> Timeout:
    return TRANSFER if isinstance(timeout, Unset) else timeout


def _reported_blocks(response: Response, statement: CopyStatement,
                     progress: Progress) -> Generator[Block, None, None]:
    """Read the data of a COPY TO, whole or with an exception, and tell how far it is."""
    whole = whole_blocks(read_blocks(response), response, statement.format)
    return whole if progress is None else counted(whole, progress, "COPY TO", expected_size(response))
