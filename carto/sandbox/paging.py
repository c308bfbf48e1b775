"""Pages of lists as CARTO's Rails application cuts them: the parameters, and the links from page to page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from carto.sandbox.parameters import js_string

DEFAULT_PAGE_SIZE = 20
DIRECTIONS = ("asc", "desc")


class WrongParameterError(Exception):
    """A parameter of a list has a value that it can't have; the text is the server's."""

    def __init__(self, name: str, valid: Collection[str] | None = None) -> None:
        text = f"Wrong '{name}' parameter value."
        super().__init__(text if valid is None else f"{text} Valid values are one of [{', '.join(valid)}]")


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        number: Its number, from 1.
        size: Entries a page.
        orders: What the list is ordered by, each with its direction, asc or desc.
    """

    number: int
    size: int
    orders: tuple[tuple[str, str], ...]

    @property
    def first_entry(self) -> int:
        """How many entries stand on the pages before."""
        return (self.number - 1) * self.size

    @classmethod
    def asked_for(
        cls,
        params: Mapping[str, Any],
        valid_orders: Collection[str],
        *,
        order: str = "updated_at",
        direction: str = "desc",
        size: int = DEFAULT_PAGE_SIZE,
    ) -> Page:
        """Read the parameters of a list.

        Args:
            params: Parameters of the request.
            valid_orders: What the list can be ordered by.
            order: What it is ordered by unless told otherwise.
            direction: asc or desc, the same.
            size: Entries a page, the same.

        Raises:
            WrongParameterError: One makes no sense.
        """
        orders = js_string(params.get("order", order)).split(",")
        directions = js_string(params.get("order_direction", direction)).split(",")
        for name, sent, valid in (("order", orders, valid_orders), ("order_direction", directions, DIRECTIONS)):
            if not set(sent) <= set(valid):
                raise WrongParameterError(name, valid)
        directions += directions[-1:] * (len(orders) - len(directions))
        together = tuple(zip(orders, directions, strict=False))
        return cls(_positive(params, "page", 1), _positive(params, "per_page", size), together)

    def links(self, url: str, params: Mapping[str, Any], total: int) -> dict[str, dict[str, str]]:
        """Return where the first, the last and the neighboring pages are.

        Args:
            url: URL of the list.
            params: Parameters of the request, which the links repeat.
            total: Entries of all pages.
        """
        last = -(-total // self.size)
        numbers = {"first": 1, "last": last}
        if self.number > 1:
            numbers["prev"] = self.number - 1
        if self.number < last:
            numbers["next"] = self.number + 1

        def link(number: int) -> dict[str, str]:
            query = {**params, "page": number, "per_page": self.size}
            return {"href": f"{url}?{urlencode(query, doseq=True)}"}

        return {name: link(number) for name, number in numbers.items()}


def _positive(params: Mapping[str, Any], name: str, default: int) -> int:
    text = js_string(params.get(name, str(default)))
    if not text.isdecimal() or int(text) < 1:
        raise WrongParameterError(name)
    return int(text)
