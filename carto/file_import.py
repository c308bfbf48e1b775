"""Imports: files, URLs, queries and databases become datasets."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from requests import Response

from carto import jobs
from carto._http.multipart import FileForm, of_known_size
from carto._http.redaction import redact, redact_value
from carto._http.timeouts import TRANSFER
from carto.auth import SendsRequests, data_of
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoInvalidResponseException, CartoUsageException
from carto.fields import BooleanField, CharField, DictField, IntegerField
from carto.paginators import items_of
from carto.progress import Progress, reporting
from carto.resources import AsyncResource, Manager

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/imports/"

#: Seconds that an import is waited for when nobody says.
DEFAULT_WAIT = 600.0
_DONE = "complete"
_FAILED = ("failure", "stuck")
_JSON = {"content-type": "application/json"}
_URL = r"(?i)(https?|ftp)://"
_OTHER_URL = r"(?i)[a-z][a-z0-9+.-]+://"
#: Sources that are options of the request, not an archive.
_SOURCES = ("url", "connection", "connector", "sql", "table_copy", "remote_visualization_id")

log = logging.getLogger("carto")


def is_url(archive: Any) -> bool:
    """Tell whether an archive is the URL of one."""
    return isinstance(archive, str) and re.match(_URL, archive) is not None


class FileImportJob(AsyncResource):
    """One import.

    Args:
        archive: A URL, a path (text or `pathlib.Path`), a file open for bytes, the bytes themselves,
            or None for an import from a query, a table or a database.
        auth_client: The auth client to send with.

    Attributes:
        state: enqueued, pending, uploading, unpacking, importing, guessing, complete or failure.
        get_error_text: The server's explanation of a failure: ``title``, ``what_about``, ``source``.
        tables_created_count: How many tables the file became.
        warnings: What the server left out, or None.
        http_response_code: What the URL answered, when it could not be fetched.
    """

    item_queue_id = CharField()
    id = CharField()
    user_id = CharField()
    table_id = CharField()
    data_type = CharField()
    table_name = CharField()
    state = CharField()
    error_code = IntegerField()
    queue_id = CharField()
    tables_created_count = IntegerField()
    synchronization_id = CharField()
    type_guessing = BooleanField()
    quoted_fields_guessing = BooleanField()
    content_guessing = BooleanField()
    create_visualization = BooleanField()
    visualization_id = CharField()
    user_defined_limits = CharField()
    display_name = CharField()
    success = BooleanField()
    is_raster = BooleanField()
    get_error_text = DictField()
    warnings = DictField()
    original_url = CharField()
    http_response_code = CharField()
    http_response_code_message = CharField()
    any_table_raster = BooleanField()
    derived_visualization_id = CharField()

    display_columns = ("item_queue_id", "state", "display_name", "table_name", "error_code")

    class Meta:
        """Where imports are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        id_field = "item_queue_id"

    def __init__(self, archive: Any, auth_client: SendsRequests) -> None:
        super().__init__(auth_client)
        self.archive = archive

    def run(self, *, progress: Progress = None, **import_params: Any) -> None:
        """Start the import, by one request. A job that has been started stays as it is.

        Args:
            progress: Called with the bytes sent and the whole, or True for a bar.
            **import_params: Options of the Import API: privacy, create_vis, type_guessing,
                quoted_fields_guessing, content_guessing, collision_strategy, table_name, ...;
                ``connection`` describes a database; ``filename`` names a file without a name.

        Raises:
            CartoUsageException: There is nothing to import, or options come too late.
            CartoLimitException: Too many imports are running.
            CartoResponseException: The server refused.
        """
        if self.get_id() is not None:
            if import_params:
                raise CartoUsageException(f"import {self.get_id()} has been started: its options can't be changed")
            return
        options = {name: value for name, value in import_params.items() if value is not None}
        archive = _checked_archive(self.archive, options)
        if archive is None or isinstance(archive, str):
            response = self._send_json(archive, options)
        else:
            response = self._send_file(archive, options, progress)
        if self.get_id() is None:
            raise CartoInvalidResponseException(response, "the answer has no id of an import")

    def wait(self, timeout: float | None = None, on_state: Callable[[Any], None] | None = None) -> None:
        """Wait until the import has ended.

        Args:
            timeout: Seconds to wait at most; DEFAULT_WAIT when not given.
            on_state: Called with this job, after each time that it was read.

        Raises:
            CartoJobException: It failed, with the server's code, title and advice; or it has not
                ended in time and may go on.
        """
        if self.state is None:
            self.refresh()
        last = jobs.wait(self._job_state(), self._read_state, DEFAULT_WAIT if timeout is None else timeout, on_state)
        if last.state != _DONE or self.success is False:
            raise jobs.failure(last)
        if self.warnings:
            log.warning("carto: import %s ended with warnings: %s", self.get_id(), redact_value(self.warnings))

    def update_from_dict(self, attribute_dict: Mapping[str, Any]) -> None:
        """Take over an answer; the server calls the id in three ways."""
        super().update_from_dict(attribute_dict)
        if self.item_queue_id is None:
            self.item_queue_id = self.queue_id or self.id

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return state if self.get_id() is None else {**state, "archive": None}  # of no use any more, perhaps open

    def _send_json(self, url: str | None, options: dict[str, Any]) -> Response:
        body = json_options(options)
        if url is not None:
            body["url"] = url
        return self.send(self.get_collection_endpoint(), "post", json=body, headers=dict(_JSON))

    def _send_file(self, source: Any, options: dict[str, Any], progress: Progress) -> Response:
        filename = options.pop("filename", None) or _name_of(source)
        with _opened(source) as file, of_known_size(file) as sized, reporting(progress, filename) as report:
            form = FileForm("file", filename, sized, report)
            return form.sent_by(lambda: self.send(
                self.get_collection_endpoint(), "post", params=query_options(options), data=form,
                headers={"Content-Type": form.content_type}, timeout=TRANSFER))

    def _read_state(self) -> jobs.JobState:
        self.refresh()
        return self._job_state()

    def _job_state(self) -> jobs.JobState:
        state = str(self.state)
        ended = state == _DONE or state in _FAILED
        return jobs.JobState("import", str(self.get_id()), state, not ended, self, self._reason() if ended else None)

    def _reason(self) -> str | None:
        text = self.get_error_text if isinstance(self.get_error_text, Mapping) else {"title": self.get_error_text}
        return failure_reason(self.error_code, text.get("title"), text.get("what_about"), self._download_problem())

    def _download_problem(self) -> str | None:
        if self.http_response_code is None:
            return None
        return f"The URL answered {self.http_response_code}: {self.http_response_code_message or ''}".rstrip(": ")


class FileImportJobManager(Manager[FileImportJob]):
    """The imports of an account.

    Example:
        >>> job = FileImportJobManager(auth_client).create("examples/files/populated_places.csv")
        >>> job.wait()
        >>> job.state, job.table_name
        ('complete', 'populated_places')
    """

    resource_class = FileImportJob
    json_collection_attribute = "imports"

    def create(self, archive: Any = None, *, progress: Progress = None, **kwargs: Any) -> FileImportJob:
        """Start an import.

        Args:
            archive: See `FileImportJob`.
            progress: Called with the bytes sent and the whole, or True for a bar.
            **kwargs: Options of the Import API; see `FileImportJob.run`.

        Returns:
            The job, started.
        """
        job: FileImportJob = self.resource_class(archive, self.client)
        job.run(progress=progress, **kwargs)
        return job

    def iterate(self, *, page_size: int | None = None, limit: int | None = None,
                **search_args: Any) -> Iterator[FileImportJob]:
        """Go through the imports that are running; the server keeps no list of those that have ended."""
        response = self.send(self.get_collection_endpoint(), "get", idempotent=True)
        ids = items_of(data_of(self.client, response), self.json_collection_attribute)
        if ids is None:
            raise CartoInvalidResponseException(response, "the answer has no list of imports")
        yield from map(self.get, ids[:limit])

    def _new_resource(self) -> FileImportJob:
        job: FileImportJob = self.resource_class(None, self.client)
        return job


def json_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Form the JSON body of an import or a synchronization.

    Args:
        options: What the caller gave; ``connection`` is a connector, or an object that holds one
            as ``connector``.

    Returns:
        The body.
    """
    body = {name: value for name, value in options.items() if name != "connection" and value is not None}
    connection = options.get("connection")
    if connection is not None:
        if not isinstance(connection, Mapping):
            raise CartoUsageException(f"connection is a dictionary, not {type(connection).__name__}")
        body.update(connection if "connector" in connection else {"connector": connection})
    return body


def query_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Form the query of an import, as Rails reads one: ``true`` and ``false``, and objects key by key.

    Args:
        options: What the caller gave.

    Returns:
        The parameters.
    """
    query = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            query.update(query_options({f"{name}[{key}]": each for key, each in value.items()}))
        else:
            query[name] = json.dumps(value) if isinstance(value, bool) else str(value)
    return query


def failure_reason(code: int | None, *texts: Any) -> str | None:
    """Put the server's code and texts for a failure into one line.

    Args:
        code: The code, where there is one.
        *texts: Sentences, which may be HTML or missing.

    Returns:
        The line, or None when the server said nothing.
    """
    parts = [_plain_text(text).rstrip(".") for text in texts]
    reason = ". ".join(part for part in parts if part)
    return f"error {code}: {reason}".rstrip(": ") if code is not None else reason or None


def _plain_text(html: Any) -> str:
    from html import unescape  # loads tables of 2,000 names, for the errors of imports only

    return " ".join(unescape(re.sub(r"</?[a-zA-Z][^>]*>", " ", str(html or ""))).split())


def _checked_archive(archive: Any, options: Mapping[str, Any]) -> Any:
    """Check that there is one source, and turn the text of a path into a path.

    Returns:
        A URL, None for a source among the options, or else a file in one of its forms.
    """
    archive = None if isinstance(archive, str) and not archive else archive
    given = [f"{name}=" for name in _SOURCES if name in options]
    is_service = "service_item_id" in options
    if archive is None and not given and not is_service:
        raise CartoUsageException("there is nothing to import: give an archive (a URL, a path, a file, bytes), "
                                  f"or one of {', '.join(_SOURCES)}")
    if len(given) + (archive is not None) > 1:
        raise CartoUsageException("an import has one source, and this one has several: "
                                  f"{', '.join(given if archive is None else ['the archive', *given])}")
    if hasattr(archive, "to_csv"):
        raise CartoUsageException(f"an archive is a URL, a path, a file or bytes, not {type(archive).__name__}: write "
                                  "it by its to_csv and give the path of the file, or its bytes with filename=")
    if archive is not None and not _is_archive(archive):
        raise CartoUsageException(f"an archive is a URL, a path, a file or bytes, not {type(archive).__name__}")
    if isinstance(archive, os.PathLike):
        return Path(archive)
    if not isinstance(archive, str) or is_url(archive):
        return archive
    if re.match(_OTHER_URL, archive):
        raise CartoUsageException(f"{redact(archive)!r} is no URL that CARTO can fetch (http, https, ftp), and no path")
    return Path(archive)


def _is_archive(archive: Any) -> bool:
    is_data = isinstance(archive, (str, os.PathLike, Iterable)) and not isinstance(archive, Mapping)
    return is_data or hasattr(archive, "read")


def _opened(source: Any) -> contextlib.AbstractContextManager[Any]:
    """Open a path, which is then closed; anything else is the caller's to close."""
    return source.open("rb") if isinstance(source, Path) else contextlib.nullcontext(source)


def _name_of(source: Any) -> str:
    name = getattr(source, "name", None)
    if isinstance(name, (str, os.PathLike)) and os.path.basename(name):
        return os.path.basename(name)
    raise CartoUsageException("the file has no name, from which the server would know its format: "
                              "pass filename='data.csv' or the like")
