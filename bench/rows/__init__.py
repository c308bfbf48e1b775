"""The rows of the benchmark, by subject; a file holds both what a row is and what its contenders do."""

from __future__ import annotations

from bench.model import Row


def all_rows() -> list[Row]:
    """Give every row, in the order of the table."""
    from bench.rows import answers, copy_from, copy_to, frames, imports, listing, query, upload, waiting

    modules = (query, answers, copy_from, copy_to, frames, listing, upload, waiting, imports)
    return [row for module in modules for row in module.ROWS]
