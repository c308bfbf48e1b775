"""Datasets of one's own in CARTO's Data Observatory: create, upload, enrich, download.

CARTO closed this generation of its Data Observatory in 2021: the calls are kept
for servers of one's own that still have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from requests import Response

from carto import jobs
from carto._http.multipart import SizedBody
from carto._http.timeouts import TRANSFER
from carto.auth import SendsRequests, data_of, send_with
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoInvalidResponseException, CartoUsageException, error_messages
from carto.resources import resource_path
from carto.utils import ResponseStream

VALID_TYPES = ["STRING", "BYTES", "INTEGER", "INT64", "FLOAT", "FLOAT64", "BOOLEAN", "BOOL",
               "TIMESTAMP", "DATE", "TIME", "DATETIME", "GEOMETRY"]
TYPES_MAPPING = {"GEOMETRY": "GEOGRAPHY"}

DATASETS_BASE_PATH = "api/v4/data/observatory/user/datasets"
ENRICHMENT_BASE_PATH = "api/v4/data/observatory/enrichment"
METADATA_BASE_PATH = "api/v4/data/observatory/metadata"

#: Seconds that an import or an enrichment is waited for when nobody says.
DEFAULT_WAIT = 3600.0

_DONE = "success"
_FAILED = "failure"
#: Cells of a data frame that are written at a time: pandas does the same, and formats dates by such pieces.
_CELLS_AT_A_TIME = 100_000


class DODataset:
    """A dataset of one's own; what describes it can be chained.

    Args:
        name: Its name.
        columns: Pairs of name and type; see `column`.
        ttl_seconds: Seconds that it is kept.
        client: What sends its requests; made from `auth_client` when not given.
        auth_client: The auth client to send with.

    Example:
        >>> import pandas
        >>> stores = pandas.DataFrame({"id": [1], "place": ["POINT(16.37 48.21)"]})
        >>> dataset = DODataset(auth_client=auth_client).name("stores")
        >>> dataset.column("id", "INT64").column("place", "GEOMETRY").create()
        >>> dataset.upload_dataframe(stores, geom_column="place")
        'success'
    """

    def __init__(self, name: str | None = None, columns: Sequence[tuple[str, str]] | None = None,
                 ttl_seconds: int | None = None, client: _DODatasetClient | None = None,
                 auth_client: SendsRequests | None = None) -> None:
        self._name = name
        self._columns: list[tuple[str, str]] = []
        self._ttl_seconds = ttl_seconds
        self._client = client or _DODatasetClient(auth_client)
        for column_name, column_type in columns or ():
            self.column(column_name, column_type)

    @staticmethod
    def _map_type(in_type: str) -> str:
        """Give the server's name for a type of ours."""
        return TYPES_MAPPING.get(in_type, in_type)

    def name(self, name: str) -> DODataset:
        """Say what the dataset is called.

        Args:
            name: Its name.

        Returns:
            This dataset.
        """
        self._name = name
        return self

    def column(self, name: str | None = None, type: str | None = None) -> DODataset:  # noqa: A002  # the API's word
        """Add a column.

        Args:
            name: Its name.
            type: One of VALID_TYPES, in any case.

        Returns:
            This dataset.

        Raises:
            CartoUsageException: There is no such type, or no name.
        """
        if not name:
            raise CartoUsageException("a column needs a name")
        known = type.upper() if isinstance(type, str) else type
        if known not in VALID_TYPES:
            raise CartoUsageException(f"Invalid type {type} of column {name}: it is one of {', '.join(VALID_TYPES)}")
        self._columns.append((name, str(known)))
        return self

    def ttl_seconds(self, ttl_seconds: int) -> DODataset:
        """Say how long the dataset is kept.

        Args:
            ttl_seconds: Seconds.

        Returns:
            This dataset.
        """
        self._ttl_seconds = ttl_seconds
        return self

    def create(self) -> None:
        """Create the dataset, empty.

        Raises:
            CartoUsageException: It has no name.
            CartoResponseException: The server refused.
        """
        schema = [{"name": name, "type": self._map_type(kind)} for name, kind in self._columns]
        ttl = {} if self._ttl_seconds is None else {"ttl_seconds": self._ttl_seconds}
        self._client.create({"id": self._named(), "schema": schema, **ttl})

    def download_stream(self, limit: int | None = None, order_by: str | None = None, sql_query: str | None = None,
                        add_geom: bool | None = None, is_geography: bool | None = None) -> ResponseStream:
        """Ask for the rows as CSV, in a file to read from, such as for ``pandas.read_csv``.

        Args:
            limit: How many rows to stop after.
            order_by: The column to sort by.
            sql_query: A query to run on the dataset in place of reading it.
            add_geom: Whether to add the geometries of the geography that the dataset refers to.
            is_geography: Whether the dataset is a geography.

        Returns:
            A file of bytes. Close it when its end is not reached.

        Raises:
            CartoResponseException: The server refused.
        """
        return self._client.download_stream(self._named(), limit, order_by, sql_query, add_geom, is_geography)

    def upload(self, dataframe: Any, geom_column: str | None = None) -> Response:
        """Send a data frame, as CSV; `import_dataset` then makes rows of it.

        Args:
            dataframe: A frame of pandas or geopandas.
            geom_column: Its column of geometries.

        Returns:
            The answer.

        Raises:
            CartoUsageException: It is no data frame.
            CartoResponseException: The server refused.
        """
        return self._client.upload(dataframe, self._named(), {"geom_column": geom_column})

    def upload_file_object(self, file_object: Any, geom_column: str | None = None) -> Response:
        """Send the rest of a file of CSV; `import_dataset` then makes rows of it.

        Args:
            file_object: The file, open for bytes; it is not closed.
            geom_column: Its column of geometries.

        Returns:
            The answer.

        Raises:
            CartoUsageException: It is no file.
            CartoResponseException: The server refused.
        """
        return self._client.upload_file_object(file_object, self._named(), {"geom_column": geom_column})

    def import_dataset(self) -> DODatasetJob:
        """Have the server make rows of what was uploaded.

        Returns:
            The job that does it.

        Raises:
            CartoResponseException: The server refused.
        """
        return self._client.import_dataset(self._named())

    def upload_dataframe(self, dataframe: Any, geom_column: str | None = None, *,
                         timeout: float | None = None) -> str:
        """Send a data frame, and wait until the server has made rows of it.

        Args:
            dataframe: A frame of pandas or geopandas.
            geom_column: Its column of geometries.
            timeout: Seconds to wait for the import at most; DEFAULT_WAIT when not given.

        Returns:
            ``success``.

        Raises:
            CartoJobException: The import failed, or has not ended in time.
            CartoResponseException: The server refused.
        """
        return self._client.upload_dataframe(dataframe, self._named(), {"geom_column": geom_column}, timeout=timeout)

    def enrichment(self, geom_type: str = "points", variables: Any = None, filters: Any = None,
                   aggregation: Any = None, output_name: str | None = None, *, timeout: float | None = None) -> str:
        """Add variables of the Data Observatory to the dataset, and wait until that is done.

        Args:
            geom_type: points or polygons.
            variables: The variables: objects with ``id`` and perhaps ``aggregation``.
            filters: Conditions for the variables, by their id.
            aggregation: How to join several values, where geometries are polygons.
            output_name: The name of the dataset for the result.
            timeout: Seconds to wait at most; DEFAULT_WAIT when not given.

        Returns:
            ``success``.

        Raises:
            CartoJobException: It failed, or has not ended in time.
            CartoResponseException: The server refused.
        """
        payload = {"type": geom_type, "input": self._named(), "variables": variables, "filters": filters,
                   "aggregation": aggregation, "output": output_name}
        return self._client.enrichment(payload, timeout=timeout)

    def metadata(self, entity: str, filters: Mapping[str, Any] | None) -> Any:
        """Read the catalog of the Data Observatory.

        Args:
            entity: countries, categories, providers, datasets, geographies, variables or variables_groups, also
                as ``datasets/ID/variables``.
            filters: Conditions, such as ``{"country": "usa"}``.

        Returns:
            The parsed answer.

        Raises:
            CartoResponseException: The server refused.
        """
        return self._client.metadata(entity, filters)

    def _named(self) -> str:
        if not self._name:
            raise CartoUsageException("the dataset has no name: call name() first")
        return self._name


class _Job:
    """What runs on the server.

    Attributes:
        id: Its id.
        auth_client: The auth client to ask with.
    """

    kind: str

    def __init__(self, job_id: str, auth_client: SendsRequests) -> None:
        self.id = job_id
        self.auth_client = auth_client

    def status(self) -> str:
        """Ask how the job is doing.

        Returns:
            The server's word for it: success, failure or another.

        Raises:
            CartoResponseException: The server refused.
        """
        return self._state().state

    def result(self, *, timeout: float | None = None) -> str:
        """Wait until the job has ended.

        Args:
            timeout: Seconds to wait at most; DEFAULT_WAIT when not given.

        Returns:
            ``success``.

        Raises:
            CartoJobException: It failed, with the server's reasons, or has not ended in time.
        """
        limit = jobs.checked_timeout(DEFAULT_WAIT if timeout is None else timeout)
        last = jobs.wait(self._state(), self._state, limit)
        if last.state != _DONE:
            raise jobs.failure(last)
        return last.state

    def _status_path(self) -> str:
        raise NotImplementedError

    def _state(self) -> jobs.JobState:
        response = _send(self.auth_client, self._status_path(), "get", idempotent=True)
        answer = data_of(self.auth_client, response)
        state = answer.get("status") if isinstance(answer, Mapping) else None
        if not isinstance(state, str):
            raise CartoInvalidResponseException(response, f"the answer has no status of the {self.kind}")
        reason = "; ".join(error_messages(answer)) if state == _FAILED else None
        return jobs.JobState(self.kind, self.id, state, state not in (_DONE, _FAILED), answer, reason)


class DODatasetJob(_Job):
    """The import of what was uploaded.

    Args:
        job_id: Its id.
        name_id: The name of the dataset.
        auth_client: The auth client to ask with.
    """

    kind = "import into the Data Observatory"

    def __init__(self, job_id: str, name_id: str, auth_client: SendsRequests) -> None:
        super().__init__(job_id, auth_client)
        self.name = name_id

    def _status_path(self) -> str:
        return _path(DATASETS_BASE_PATH, self.name, "imports", self.id)


class DOEnrichmentJob(_Job):
    """The enrichment of a dataset.

    Args:
        job_id: Its id.
        auth_client: The auth client to ask with.
    """

    kind = "enrichment"

    def _status_path(self) -> str:
        return _path(ENRICHMENT_BASE_PATH, self.id, "status")


class _DODatasetClient:
    """Sends the requests of datasets."""

    def __init__(self, auth_client: SendsRequests | None) -> None:
        if auth_client is None:
            raise CartoUsageException("DODataset needs auth_client=, to send its requests with")
        self.auth_client = auth_client

    def upload(self, dataframe: Any, name: str, params: Mapping[str, Any] | None = None) -> Response:
        if not hasattr(dataframe, "to_csv"):
            raise CartoUsageException(f"dataframe is a frame of pandas, not {type(dataframe).__name__}: "
                                      "upload_file_object takes a file of CSV (pip install pandas makes frames)")
        return self._upload(_CsvOf(dataframe), name, params)

    def upload_file_object(self, file_object: Any, name: str, params: Mapping[str, Any] | None = None) -> Response:
        if not hasattr(file_object, "read"):
            raise CartoUsageException(f"file_object must be an open file, not {type(file_object).__name__}")
        return self._upload(file_object, name, params)

    def import_dataset(self, name: str) -> DODatasetJob:
        response = _send(self.auth_client, _path(DATASETS_BASE_PATH, name, "imports"), "post")
        return DODatasetJob(_job_id(self.auth_client, response, "item_queue_id"), name, self.auth_client)

    def upload_dataframe(self, dataframe: Any, name: str, params: Mapping[str, Any] | None = None, *,
                         timeout: float | None = None) -> str:
        self.upload(dataframe, name, params)
        return self.import_dataset(name).result(timeout=timeout)

    def download(self, name_id: str, limit: int | None = None, order_by: str | None = None,
                 sql_query: str | None = None, add_geom: bool | None = None,
                 is_geography: bool | None = None) -> Response:
        params = {"limit": limit, "order_by": order_by, "sql_query": sql_query, "add_geom": add_geom,
                  "is_geography": is_geography}
        response = _send(self.auth_client, _path(DATASETS_BASE_PATH, name_id), "get", params=_given(params),
                         stream=True, idempotent=True, timeout=TRANSFER)
        if response.status_code < 300 and "html" not in response.headers.get("Content-Type", ""):
            return response
        with response:
            data_of(self.auth_client, response)
            raise CartoInvalidResponseException(response)

    def download_stream(self, name_id: str, limit: int | None = None, order_by: str | None = None,
                        sql_query: str | None = None, add_geom: bool | None = None,
                        is_geography: bool | None = None) -> ResponseStream:
        return ResponseStream(self.download(name_id, limit, order_by, sql_query, add_geom, is_geography))

    def create(self, payload: Mapping[str, Any]) -> None:
        data_of(self.auth_client, _send(self.auth_client, DATASETS_BASE_PATH, "post", json=dict(payload)), False)

    def enrichment(self, payload: Mapping[str, Any], *, timeout: float | None = None) -> str:
        response = _send(self.auth_client, ENRICHMENT_BASE_PATH, "post", json=dict(payload))
        return DOEnrichmentJob(_job_id(self.auth_client, response, "job_id"), self.auth_client).result(timeout=timeout)

    def metadata(self, entity: str, filters: Mapping[str, Any] | None) -> Any:
        path = _path(METADATA_BASE_PATH, *entity.split("/"))
        response = _send(self.auth_client, path, "get", params=_given(filters or {}), idempotent=True)
        return data_of(self.auth_client, response)

    def _upload(self, source: Any, name: str, params: Mapping[str, Any] | None) -> Response:
        path, body = _path(DATASETS_BASE_PATH, name), SizedBody(source)
        response = body.sent_by(lambda: _send(
            self.auth_client, path, "post", params=_given(params or {}), data=body, timeout=TRANSFER))
        data_of(self.auth_client, response, parse_json=False)
        return response


def _send(client: SendsRequests, path: str, method: str, **args: Any) -> Response:
    """Send a request with the key in the query, where alone this service looks for it."""
    return send_with(client, path, method, api_key_in="query", **args)


def _path(base: str, *segments: str) -> str:
    """Form a path below another; each segment is percent-encoded, and none may lead elsewhere."""
    for segment in segments:
        base = str(resource_path(base, segment))
    return base


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None, and write booleans as the server does."""
    return {name: str(value).lower() if isinstance(value, bool) else value
            for name, value in params.items() if value is not None}


def _job_id(client: SendsRequests, response: Response, name: str) -> str:
    answer = data_of(client, response)
    job_id = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(job_id, str) or not job_id:
        raise CartoInvalidResponseException(response, "the answer has no id of a job")
    return job_id


class _CsvOf:
    """A data frame as CSV, some rows at a time, and again from the beginning when it is sent again."""

    def __init__(self, dataframe: Any) -> None:
        self._dataframe = dataframe

    def __iter__(self) -> Iterator[str]:
        size = max(1, _CELLS_AT_A_TIME // max(1, len(self._dataframe.columns)))
        for start in range(0, max(1, len(self._dataframe)), size):
            yield self._dataframe.iloc[start:start + size].to_csv(index=False, header=start == 0)
