"""What the list of visualizations can be asked for, read from its parameters and written as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from carto.sandbox.paging import Page, WrongParameterError
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsError
from carto.sandbox.visualizations_store import FROM, ROW_COUNT, SIZE, Catalog, Row

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
        page: The page that is asked for.
        order: What follows ORDER BY.
        conditions: All of them have to be true.
        values: Values of their placeholders.
    """

    types: list[str]
    page: Page
    order: str
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def where(self, condition: str, **values: Any) -> None:
        """Add a condition."""
        self.conditions.append(condition)
        self.values.update(values)

    async def page_of(self, catalog: Catalog) -> list[Row]:
        """Return the visualizations of the page."""
        window = {"limit": self.page.size, "offset": self.page.first_entry}
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
    page = _page(text)
    order = ", ".join(f"{_ORDERS[name]} {direction} NULLS LAST" for name, direction in page.orders)
    search = Search(types, page, order)
    search.where("v.type = ANY (%(types)s)", types=types)
    if not is_owner:
        search.where("v.privacy = 'PUBLIC'")
    _add_filters(search, text)
    if text.get("q"):
        _add_query(search, text["q"])
    if text.get("bbox"):
        _add_bbox(search, text["bbox"])
    return search


def _page(text: Mapping[str, str]) -> Page:
    try:
        page = Page.asked_for(text, _ORDERS)
        if len(page.orders) > 1 and {name for name, _ in page.orders} & set(_COMPUTED):
            raise WrongParameterError("order", _ORDERS)
    except WrongParameterError as error:
        raise RailsError(400, {"error": str(error)}) from error
    return page


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
