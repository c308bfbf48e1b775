"""SQL API: queries whose answer comes at once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from requests import Response

from carto._http.timeouts import SQL, UNSET, Timeout, Unset
from carto.auth import SendsRequests, data_of, send_with
from carto.exceptions import (
    CartoInvalidResponseException,
    CartoPartialResultException,
    CartoResponseException,
    CartoUsageException,
    error_messages,
)
from carto.sql.constants import MAX_GET_QUERY_LEN, SQL_API_URL
from carto.sql.copy import CopySQLClient
from carto.sql.parameters import bind
from carto.sql.rows import RowDecoder, copy_query, fields_query, split_lines

#: Values for the placeholders of a query: by position, or by name.
Params = Sequence[Any] | Mapping[str, Any]

_JSON_FORMATS = (None, "json", "geojson")
#: Servers refuse a longer header line; a key and the client's name are still to be added to it.
_MAX_URL_BYTES = 8192 - 1024
#: How far from its end the answer of a failed query has its error.
_ERROR_TAIL_BYTES = 65536


class SQLClient:
    """Sends queries to the SQL API.

    Args:
        auth_client: The auth client to send with.
        api_version: The version of the SQL API.

    Example:
        >>> sql = SQLClient(auth_client)
        >>> sql.send("SELECT upper(%s) AS name", params=["madrid"])["rows"]
        [{'name': 'MADRID'}]
    """

    def __init__(self, auth_client: SendsRequests, api_version: str = "v2") -> None:
        self.auth_client = auth_client
        self.api_url = SQL_API_URL.format(api_version=api_version)
        self.api_key = getattr(auth_client, "api_key", None)
        self.username = getattr(auth_client, "username", None)
        self.base_url = getattr(auth_client, "base_url", None)
        self._copy = CopySQLClient(auth_client, api_version)

    def send(self, sql: str, parse_json: bool = True, do_post: bool = True, format: str | None = None, *,  # noqa: A002
             params: Params | None = None, timeout: Timeout | Unset = UNSET, idempotent: bool = False,
             **request_args: Any) -> Any:
        """Run a query.

        Args:
            sql: The query, or several separated by semicolons, which are then one transaction.
            parse_json: Whether to parse a JSON or GeoJSON answer.
            do_post: Whether to send it by POST in any case; else short queries go by GET.
            format: The format of the answer: json (when not given), geojson, csv, kml, shp, svg, ...
            params: Values for the placeholders ``%s`` or ``%(name)s``; a percent sign is then ``%%``.
            timeout: Seconds to wait for the answer; 300 when not given.
            idempotent: Whether the query may be run twice, so that it is sent again after a failure.
            **request_args: Parameters of the SQL API: order_by, sort_order, page and rows_per_page
                (only together), skipfields, dp, filename, ...

        Returns:
            The parsed answer with ``rows``, ``fields``, ``total_rows`` and ``time`` (seconds), or the
            bytes of the body when it is not to be parsed or in another format.

        Raises:
            CartoBadRequestException: The database refused the query.
            CartoPartialResultException: It failed after rows had been sent; they are in the exception.
            CartoQueryTimeoutException: It ran longer than the account allows.
            CartoUsageException: The parameters do not fit the placeholders.
        """
        query = bind(sql, params)
        fields = _api_parameters(query, format, request_args)
        wait = SQL if isinstance(timeout, Unset) else timeout
        if do_post or not self._fits_get(fields):
            method, place = "post", "data"
        else:
            method, place = "get", "params"
        content: dict[str, Any] = {place: fields}
        response = send_with(self.auth_client, self.api_url, method, timeout=wait, idempotent=idempotent, **content)
        return self._read(response, query, parse_json, format)

    def iterate(self, sql: str, params: Params | None = None, *,
                timeout: Timeout | Unset = UNSET) -> Iterator[dict[str, Any]]:
        """Run a query and go through its rows one at a time, in bounded memory.

        The rows come through one COPY TO, so the query runs once, on one snapshot of the data.

        Args:
            sql: One query that returns rows.
            params: Values for its placeholders.
            timeout: Seconds to wait for the next part of the answer; 600 when not given.

        Returns:
            An iterator of rows with the values that ``send(sql)["rows"]`` has. Closing it ends the query.

        Raises:
            CartoBadRequestException: The database refused the query.
            CartoPartialResultException: It failed on its way; the rows so far are not the whole.
            CartoUsageException: The parameters do not fit the placeholders.
        """
        return self._rows(bind(sql, params), timeout)

    def _rows(self, query: str, timeout: Timeout | Unset) -> Iterator[dict[str, Any]]:
        fields = self.send(fields_query(query))["fields"]
        decode = RowDecoder(fields).decode
        stream = self._copy.copyto_stream(copy_query(query, fields), timeout=timeout)
        with contextlib.closing(stream):
            for line in split_lines(iter(lambda: stream.read(65536), b"")):
                yield decode(line)

    @staticmethod
    def _fits_get(fields: Mapping[str, Any]) -> bool:
        # what can't be encoded is refused where the request is made
        return len(fields["q"]) < MAX_GET_QUERY_LEN and len(urlencode(fields, errors="replace")) < _MAX_URL_BYTES

    def _read(self, response: Response, query: str, parse_json: bool, answer_format: str | None) -> Any:
        is_json = answer_format in _JSON_FORMATS
        try:
            data = data_of(self.auth_client, response, parse_json and is_json)
        except CartoResponseException as error:
            _mark_position(error, query)
            raise
        if is_json:
            _check_complete(response, data)
        if is_json and parse_json and data is None:
            raise CartoInvalidResponseException(response)
        return data


def _api_parameters(query: str, answer_format: str | None, extra: Mapping[str, Any]) -> dict[str, Any]:
    if "q" in extra:
        raise CartoUsageException("q is the name of the query's own parameter: give the query as sql")
    fields = {"q": query, "format": answer_format, **extra}
    return {name: value for name, value in fields.items() if value is not None}


def _check_complete(response: Response, data: Any) -> None:
    """Refuse an answer that began with rows and ends with an error, as a status of 200 lets it pass."""
    if isinstance(data, bytes):
        if b'"error"' not in data[-_ERROR_TAIL_BYTES:]:
            return
        try:
            data = json.loads(data)
        except ValueError:
            return
    if isinstance(data, dict) and data.get("error"):
        rows = data.get("rows") or data.get("features") or []
        message = "; ".join(error_messages(data))
        raise CartoPartialResultException(response, f"{message} (after {len(rows)} rows)", rows=rows)


def _mark_position(error: CartoResponseException, query: str) -> None:
    """Show the line of the query that the server points at, with a caret below the place."""
    if error.position is None or not 0 < error.position <= len(query) + 1:
        return
    before = query[: error.position - 1]
    number, start = before.count("\n") + 1, before.rfind("\n") + 1
    prefix = f"LINE {number}: "
    line = query[start:].split("\n", 1)[0]
    error.marker = f"{prefix}{line}\n{' ' * (len(prefix) + len(before) - start)}^"
