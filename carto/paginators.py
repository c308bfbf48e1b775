"""Walk through a listing page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrestcli.paginators import DummyPaginator as DummyPaginator  # for lists that have no pages
from pyrestcli.paginators import Paginator
from requests import Response

#: Items asked for with one request, as CARTO's own pages do; the servers set no upper bound.
PAGE_SIZE = 1000
#: The names that the servers have for the length of the whole list.
_TOTALS = ("total_entries", "total_user_entries", "total")


class CartoPaginator(Paginator):
    """Numbered pages, from 1 until the server's total is reached or a page is empty.

    Args:
        json_collection_attribute: Where the items stand in a page, or None when the page is the list.
        base_url: The client's base URL.
        params: Parameters for every page.
    """

    def __init__(self, json_collection_attribute: str | None, base_url: str,
                 params: dict[str, Any] | None = None) -> None:
        super().__init__(base_url, params)
        self.json_collection_attribute = json_collection_attribute
        self.records_count = 0
        self._has_more = True

    def get_urls(self, initial_url: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Go through the pages; `process_data` must be told of each before the next.

        Args:
            initial_url: The path of the listing.

        Yields:
            The path, and the parameters of a page.
        """
        page = 0
        while self._has_more:
            page += 1
            yield initial_url, {**self.params, "page": page}

    def process_response(self, response: Response) -> Response:
        """Count the items of a page that has not been parsed; see `process_data`."""
        self.process_data(response.json())
        return response

    def process_data(self, data: Any) -> None:
        """Count the items of a page, and decide whether another follows.

        Lists shrink while they are read, and totals count items that are not shown:
        an empty page is the end, whatever the total says.

        Args:
            data: The parsed page.
        """
        count = len(items_of(data, self.json_collection_attribute) or ())
        total = next((data[name] for name in _TOTALS if data.get(name)), 0) if isinstance(data, dict) else 0
        self.records_count += count
        self._has_more = count > 0 and self.records_count < total


def items_of(data: Any, attribute: str | None) -> list[Any] | None:
    """Take the items out of a parsed page.

    Args:
        data: The page.
        attribute: Where the items stand, or None when the page itself is the list.

    Returns:
        The items, or None when the page has another form.
    """
    items = data if attribute is None else data.get(attribute) if isinstance(data, dict) else None
    return items if isinstance(items, list) else None
