"""What the list of visualizations can be asked for, read from its parameters and written as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsError
from carto.sandbox.visualizations_store import FROM, ROW_COUNT, SIZE, Catalog, Row

DEFAULT_PAGE_SIZE = 20
_COMPUTED = ("size", "mapviews", "estimated_row_count")  # not to be combined with others
_ORDERS = {
    "name": "v.name",
    "updated_at": "v.updated_at",
    "size": SIZE,
    "mapviews": "0::bigint",  # no maps are shown to anybody here
    "favorited": "0::bigint",
    "estimated_row_count": ROW_COUNT,
    "privacy": "v.privacy",
    "dependent_visualizations": (
        "(SELECT count(DISTINCT l.visualization_id) FROM carto_sandbox.layers l WHERE l.dataset_id = v.id)"
    ),
}
_DIRECTIONS = ("asc", "desc")
_TAGS = "array_to_string(v.tags, ', ')"
_SEARCHED = f"concat_ws(' ', v.name, {_TAGS}, v.description)"
_SEARCH_VECTOR = f"to_tsvector('english', {_SEARCHED})"
_SEARCH_QUERY = "plainto_tsquery('english', %(q)s)"
# What nothing here is or has: liked, a Data Observatory dataset, shared by somebody else.
_NEVER_TRUE = ("only_liked", "subscribed", "sample")


@dataclass
class Search:
    """A search for visualizations.

    Attributes:
        types: Types that are looked for.
        page: Number of the page, from 1.
        per_page: Visualizations a page.
        order: What follows ORDER BY.
        conditions: All of them have to be true.
        values: Values of their placeholders.
    """

    types: list[str]
    page: int
    per_page: int
    order: str
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def where(self, condition: str, **values: Any) -> None:
        """Add a condition."""
        self.conditions.append(condition)
        self.values.update(values)

    async def page_of(self, catalog: Catalog) -> list[Row]:
        """Return the visualizations of the page."""
        window = {"limit": self.per_page, "offset": (self.page - 1) * self.per_page}
        rest = sql.SQL(f"WHERE {self._condition} ORDER BY {self.order}, v.name, v.id LIMIT %(limit)s OFFSET %(offset)s")
        return await catalog.select(rest, self.values | window)

    async def count(self, catalog: Catalog) -> int:
        """Count the visualizations of all pages."""
        query = sql.SQL(f"SELECT count(*) {FROM} WHERE {self._condition}")
        return int((await catalog.rows(query, self.values))[0]["count"])

    @property
    def _condition(self) -> str:
        return " AND ".join(f"({each})" for each in self.conditions)


def search_of(params: Mapping[str, Any], *, is_owner: bool) -> Search:
    """Read a search.

    Args:
        params: Parameters of the request.
        is_owner: Whether the caller owns the account; others find what is public.

    Raises:
        RailsError: 400, a parameter makes no sense.
    """
    text = {name: js_string(value) for name, value in params.items()}
    types = [each.strip() for each in text.get("types", text.get("type", "derived")).split(",")]
    search = Search(types, _positive(text, "page", 1), _positive(text, "per_page", DEFAULT_PAGE_SIZE), _order(text))
    search.where("v.type = ANY (%(types)s)", types=types)
    if not is_owner:
        search.where("v.privacy = 'PUBLIC'")
    _add_filters(search, text)
    if text.get("q"):
        _add_query(search, text["q"])
    if text.get("bbox"):
        _add_bbox(search, text["bbox"])
    return search


def _positive(text: Mapping[str, str], name: str, default: int) -> int:
    value = text.get(name, str(default))
    if not value.isdecimal() or int(value) < 1:
        raise RailsError(400, {"error": f"Wrong '{name}' parameter value."})
    return int(value)


def _order(text: Mapping[str, str]) -> str:
    orders = text.get("order", "updated_at").split(",")
    directions = text.get("order_direction", "desc").split(",")
    if any(each not in _ORDERS for each in orders) or (len(orders) > 1 and set(orders) & set(_COMPUTED)):
        raise RailsError(400, {"error": _wrong("order", _ORDERS)})
    if any(each not in _DIRECTIONS for each in directions):
        raise RailsError(400, {"error": _wrong("order_direction", _DIRECTIONS)})
    directions += directions[-1:] * (len(orders) - len(directions))
    return ", ".join(
        f"{_ORDERS[each]} {direction} NULLS LAST" for each, direction in zip(orders, directions, strict=False)
    )


def _wrong(name: str, valid: Any) -> str:
    return f"Wrong '{name}' parameter value. Valid values are one of [{', '.join(valid)}]"


def _add_filters(search: Search, text: Mapping[str, str]) -> None:
    if text.get("tags"):
        wanted = ", ".join(each.strip() for each in text["tags"].split(","))
        search.where(f"{_TAGS} ILIKE %(tags)s", tags=_containing(wanted))
    if text.get("privacy"):
        search.where("lower(v.privacy) = %(privacy)s", privacy=text["privacy"])
    if text.get("locked") in ("true", "false"):
        search.where("v.locked = %(locked)s", locked=text["locked"] == "true")
    if text.get("only_with_display_name") == "true":
        search.where("v.display_name IS NOT NULL")
    if text.get("exclude_raster") == "true":
        search.where("v.kind <> 'raster'")
    only_shared = text.get("shared", "only" if text.get("only_shared") == "true" else "yes") == "only"
    if only_shared or any(text.get(name) == "true" for name in _NEVER_TRUE):
        search.where("false")


def _add_query(search: Search, wanted: str) -> None:
    """Look for words of English, or for a part of the text."""
    condition = f"{_SEARCH_VECTOR} @@ {_SEARCH_QUERY} OR {_SEARCHED} ILIKE %(part)s"
    search.where(condition, q=wanted, part=_containing(wanted))
    search.order = f"ts_rank({_SEARCH_VECTOR}, {_SEARCH_QUERY}) DESC, {search.order}"


def _containing(text: str) -> str:
    """Write the LIKE pattern of what contains a text."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _add_bbox(search: Search, text: str) -> None:
    if search.types != ["table"]:
        raise RailsError(400, {"error": "Filter by bbox is only supported for type table"})
    try:
        minx, miny, maxx, maxy = (float(each) for each in text.split(","))
    except ValueError:
        raise RailsError(400, {"error": "Wrong 'bbox' parameter value."}) from None
    search.where(
        "carto_sandbox.reaches_into(v.table_oid, %(minx)s, %(miny)s, %(maxx)s, %(maxy)s)",
        minx=minx, miny=miny, maxx=maxx, maxy=maxy,
    )  # fmt: skip
