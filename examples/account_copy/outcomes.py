"""Shows what became of every item, in a table, and says how it went as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from terminal import fail, print_table


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        rows: Rows of a table.
        size: Bytes of its files, as people read them.
        what: saved, kept, restored, ...
        note: Why, or what is not as it was.
        failed: Whether it has to be done again.
    """

    kind: str
    name: str
    what: str
    rows: int | None = None
    size: str | None = None
    note: str = ""
    failed: bool = False


def show(outcomes: Iterable[Outcome]) -> None:
    """Print what became of everything."""
    columns = ("kind", "name", "rows", "size", "", "note")
    print_table(columns, [[each.kind, each.name, each.rows, each.size, each.what, each.note] for each in outcomes])


def conclude(outcomes: list[Outcome], advice: str) -> None:
    """Print how many items became what; end the script with status 1 when some failed.

    Args:
        outcomes: All of them.
        advice: What to do about those that failed.
    """
    counts = Counter(each.what for each in outcomes)
    print("\n" + (", ".join(f"{number} {what}" for what, number in counts.items()) or "nothing to do"))
    failed = sum(each.failed for each in outcomes)
    if failed:
        fail(f"{failed} of {len(outcomes)} items did not work, as the notes in the table say; {advice}")
