"""The parameters of /sql: what to run and in which form to answer."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from carto.sandbox.errors import ApiError
from carto.sandbox.parameters import js_string, parse_int, well_formed

DEFAULT_FILENAME = "cartodb-query"
DEFAULT_DECIMALS = 6
_UNSAFE_IN_FILENAME = re.compile(r"""[;()\[\]<>'"\s]""")
_IS_SELECT = re.compile(r"\s*SELECT\s", re.IGNORECASE)
_FINAL_SEMICOLON = re.compile(r";\s*\Z")


@dataclass(frozen=True)
class QueryParameters:
    """What one call of /sql asks for.

    Attributes:
        q: The SQL as it was sent.
        sql: The SQL without its final semicolon, ordered and cut to a page as asked.
        format: Name of the output format.
        filename: Name of the file, without extension.
        attachment: Whether the answer is to be saved under that name.
        skipfields: Columns to leave out.
        decimals: Decimal digits of coordinates.
        callback: JSONP function, or nothing.
    """

    q: str
    sql: str
    format: str
    filename: str
    attachment: bool
    skipfields: frozenset[str]
    decimals: str
    callback: str

    @property
    def jsonp_frame(self) -> tuple[str, str]:
        """What stands before and behind a document when a callback was asked for."""
        return (f"{self.callback}(", ")") if self.callback else ("", "")


def read_parameters(params: dict[str, Any], formats: frozenset[str]) -> QueryParameters:
    """Check the parameters of a call.

    Args:
        params: Parameters of URL and body together.
        formats: Names of the formats that exist.

    Raises:
        ApiError: 400, there is no query or no such format.
    """
    q = params.get("q")
    if not isinstance(q, str):
        raise ApiError(400, "You must indicate a sql query")
    q = well_formed(q)
    asked = _last(params.get("format"))
    name = js_string(asked).lower() if asked else "json"
    if name not in formats:
        raise ApiError(400, f"Invalid format: {name}")
    filename = _last(params.get("filename"))
    return QueryParameters(
        q=q,
        sql=_paged(_ordered(_FINAL_SEMICOLON.sub("", q), params), params),
        format=name,
        filename=_clean_filename(js_string(filename)) if filename else DEFAULT_FILENAME,
        attachment=bool(asked or filename),
        skipfields=_skipped(params.get("skipfields")),
        decimals=js_string(params.get("dp") or DEFAULT_DECIMALS),
        callback=js_string(params.get("callback", "")),
    )


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, list) and value else value


def _clean_filename(name: str) -> str:
    stem, _ = posixpath.splitext(posixpath.basename(name))
    return _UNSAFE_IN_FILENAME.sub("_", stem)


def _skipped(value: Any) -> frozenset[str]:
    lists = value if isinstance(value, list) else [value] if value else []
    return frozenset(name for names in lists for name in js_string(names).split(","))


def _ordered(sql: str, params: dict[str, Any]) -> str:
    column = params.get("order_by")
    if not column or not _IS_SELECT.match(sql):
        return sql
    direction = js_string(params.get("sort_order", "")).upper()
    suffix = f" {direction}" if direction in ("ASC", "DESC") else ""
    return f'SELECT * FROM ({sql}) AS cdbq_1 ORDER BY "{js_string(column)}"{suffix}'  # noqa: S608 -- as sent


def _paged(sql: str, params: dict[str, Any]) -> str:
    limit, page = parse_int(params.get("rows_per_page")), parse_int(params.get("page"))
    if limit is None or page is None or not _IS_SELECT.match(sql):
        return sql
    return f"SELECT * FROM ({sql}) AS cdbq_1 LIMIT {limit} OFFSET {page * limit}"  # noqa: S608 -- numbers
