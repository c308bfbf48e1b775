"""The table of deliberate differences (doc/source/carto_python_differences.md), and what is found to differ.

The table has a part for general rules, one for names and one for calls. The cells of the last two say exactly what
was found; a row that is not there yet is printed by ``python -m tests.compat.differences``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.compat.general_rules import modernised
from tests.compat.recorded_lines import differing_lines

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent.parent
TABLE = PROJECT / "doc" / "source" / "carto_python_differences.md"
RECORDED = FOLDER / "requests_of_carto_python.json"

NOTHING = "nothing"
_NEXT_LINE = "<br>"


class Row(NamedTuple):
    """A row of the table: the names that it is about, what each side does, and why."""

    names: tuple[str, ...]
    theirs: str
    ours: str
    why: str


class Difference(NamedTuple):
    """What was found to differ, as the table writes it."""

    name: str
    theirs: str
    ours: str


class Found(NamedTuple):
    """All that differs: by itself, and by the general rules that explain it."""

    differences: set[Difference]
    by_rule: dict[str, list[str]]


def table_rows(part: str) -> list[Row]:
    """Read the rows below a heading of the table.

    Args:
        part: General, Names or Calls.
    """
    _, _, text = TABLE.read_text().partition(f"\n## {part}\n")
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [_row(line) for line in lines[2:]]


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.replace(r"\|", "\0").strip("|").split("|")]
    names, theirs, ours, why = (cell.replace("\0", r"\|") for cell in cells)
    return Row(tuple(name.strip("`") for name in names.split(_NEXT_LINE)), theirs, ours, why)


def cell(lines: Iterable[str]) -> str:
    """Write lines of code as a cell."""
    return _NEXT_LINE.join(f"`{line}`".replace("|", r"\|") for line in lines if line) or NOTHING


@functools.cache
def found_names() -> Found:
    """Compare the names, in a fresh process."""
    found = json.loads(_output_of("-m", "tests.compat.compare_names"))
    return Found({Difference(name, cell([theirs]), cell([ours])) for name, theirs, ours in found["differences"]},
                 found["by_rule"])


@functools.cache
def found_calls() -> Found:
    """Compare what was recorded of carto-python with what ours does."""
    theirs, ours = recorded_of_carto_python(), recorded_of_ours()
    by_rule: dict[str, list[str]] = {}
    differences = set()
    for name, call in ours.items():
        lines = differing_lines(modernised(theirs[name], call, by_rule, name), call)
        if lines != ([], []):
            differences.add(Difference(name, cell(lines[0]), cell(lines[1])))
    return Found(differences, by_rule)


def recorded_of_carto_python() -> dict[str, Any]:
    """Give what was recorded of carto-python."""
    return dict(json.loads(RECORDED.read_text()))


@functools.cache
def recorded_of_ours() -> dict[str, Any]:
    """Record our calls, in a fresh process."""
    return dict(json.loads(_output_of(str(FOLDER / "record_requests.py"))))


def _output_of(*arguments: str) -> str:
    finished = subprocess.run([sys.executable, "-W", "ignore", *arguments], cwd=PROJECT, check=True, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    return finished.stdout


def rows_to_write(found: Found, rows: Iterable[Row]) -> list[str]:
    """Write rows for what the table does not have, those alike as one; what is left to add is why."""
    known = {Difference(name, row.theirs, row.ours) for row in rows for name in row.names}
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for difference in sorted(found.differences - known):
        alike[difference.theirs, difference.ours].append(difference.name)
    return [f"| {cell(names)} | {theirs} | {ours} | |" for (theirs, ours), names in alike.items()]


if __name__ == "__main__":
    for part, found in (("Names", found_names()), ("Calls", found_calls())):
        print(f"## {part}\n", *rows_to_write(found, table_rows(part)), sep="\n")
