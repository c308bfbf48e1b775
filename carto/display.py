"""Small tables for notebooks: what a resource, or a list of them, looks like as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar, overload

from carto._http.redaction import redact

T = TypeVar("T")

#: Rows shown of a long list.
_MAX_ROWS = 60
_MAX_CELL_LENGTH = 200


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Write an HTML table.

    Args:
        columns: The names of the columns.
        rows: The cells of each row; None is left empty, secrets in URLs are masked, and everything is escaped.
        caption: A line above the table.

    Returns:
        The HTML.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Listing(list[T]):
    """A list of resources that a notebook shows as a table, and so its slices."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> Listing[T]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> T | list[T]:
        return Listing(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def _repr_html_(self) -> str | None:
        """Show the first rows; None, so that the notebook shows the plain list, where items have no columns."""
        columns = getattr(self[0], "display_columns", ()) if self else ()
        if not columns:
            return None
        rows = [[getattr(item, column, None) for column in columns] for item in self[:_MAX_ROWS]]
        caption = f"{len(self)} in all, the first {_MAX_ROWS} shown" if len(self) > _MAX_ROWS else ""
        return html_table(columns, rows, caption)


def escape(text: str) -> str:
    """Write a text so that HTML shows it as it is."""
    from html import escape as escape_html  # loads tables of 2,000 names, for what happens in notebooks only

    return escape_html(text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if "://" in text:
        text = redact(text)
    return escape(text if len(text) <= _MAX_CELL_LENGTH else f"{text[:_MAX_CELL_LENGTH]}…")
