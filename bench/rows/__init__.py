"""The rows of the benchmark, by subject; a file holds both what a row is and what its contenders do."""

from __future__ import annotations

from bench.model import Row


def all_rows() -> list[Row]:
    """Give every row, in the order of the table."""
    from bench.rows import answers, copy_from, copy_to, frames, imports, query

    return [row for module in (query, answers, copy_from, copy_to, frames, imports) for row in module.ROWS]
