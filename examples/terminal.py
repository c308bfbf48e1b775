"""What the examples share at the terminal: one line for a failure, tables, and progress."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from carto.exceptions import (
    CartoConnectionException,
    CartoException,
    CartoForbiddenException,
    CartoResponseException,
    CartoUnauthorizedException,
)
from carto.progress import reporting
from carto.resources import NonPublicAPIWarning

T = TypeVar("T")

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_INTERRUPTED = 130
#: Characters below which a column can't be read.
_NARROWEST = 12


def run(main: Callable[[], None]) -> None:
    """Run a script; what fails is told in one line on stderr, and the exit status is 1 then.

    With CARTO_DEBUG=1 in the environment, the whole traceback is shown.

    Args:
        main: The script.
    """
    warnings.simplefilter("ignore", NonPublicAPIWarning)  # for programmers, not for those who run a finished script
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_quietly()
    except KeyboardInterrupt:
        print(f"{_script_name()}: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except UnicodeEncodeError as error:
        fail(f"{error.object[error.start]!a} can't be written in {error.encoding}: set PYTHONIOENCODING=utf-8")
    except (CartoException, OSError) as error:
        if os.environ.get("CARTO_DEBUG"):
            raise
        fail(_one_line(error))


def fail(message: str) -> NoReturn:
    """End the script with one line on stderr and the exit status 1."""
    sys.exit(f"{_script_name()}: error: {message}")


def require(library: str) -> Any:
    """Import a library that only some examples need; end the script with the command to install it where it is absent.

    Args:
        library: The name to import.

    Returns:
        The module.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        requirements = Path(__file__).parent / "requirements.txt"
        fail(f"{library} is needed ({error}): run  pip install -r {requirements}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table, as wide as the terminal at most; columns of numbers stand on the right, None is left empty."""
    table = require("prettytable").PrettyTable(list(columns), align="l")
    lines = [list(row) for row in rows]
    table.add_rows([["" if value is None else value for value in line] for line in lines])
    for index, column in enumerate(columns):
        if all(_is_number(line[index]) for line in lines if line[index] is not None):
            table.align[column] = "r"
    if sys.stdout.isatty():
        _fit(table, [len(max(map(str, cells), key=len)) for cells in zip(columns, *lines, strict=True)])
    print(table)


def size_text(size: float | None) -> str | None:
    """Write a number of bytes as people read it, such as 12.3 MB (of 1024 kB); None stays None."""
    if size is None:
        return None
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def progress_shown() -> bool:
    """Tell whether a progress bar can be drawn: somebody looks at the terminal, and tqdm is installed.

    Returns:
        What the `progress` arguments of the library take.
    """
    return sys.stderr.isatty() and find_spec("tqdm") is not None


def with_progress(items: Sequence[T], description: str, unit: str) -> Iterator[T]:
    """Go through items that take their time, and show how many are done.

    Args:
        items: What to go through.
        description: The words before the bar.
        unit: What an item is, such as " tables".

    Yields:
        The items.
    """
    with reporting(progress_shown(), description, unit) as report:
        for done, item in enumerate(items, start=1):
            yield item
            if report is not None:
                report(done, len(items))


def _one_line(error: Exception) -> str:
    """Leave out the caret below a line of SQL, which needs lines of its own."""
    text = str(error) or type(error).__name__
    if isinstance(error, CartoResponseException) and error.marker:
        text = text.removesuffix(error.marker)
    line = " ".join(text.split())
    if isinstance(error, CartoConnectionException):
        line = f"the server cannot be reached: {line}"
    if isinstance(error, (CartoUnauthorizedException, CartoForbiddenException)):
        line += " (check the API key and what it may do)"
    return line


def _leave_quietly() -> NoReturn:
    """End when the reader of the output has left, as `head` does; Python would complain while it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _script_name() -> str:
    return Path(sys.argv[0]).name


def _fit(table: Any, widths: list[int]) -> None:
    """Make a table as narrow as the terminal: its widest column has its lines broken, and the others only at need."""
    table.max_table_width = shutil.get_terminal_size().columns
    borders = 3 * len(widths) + 1
    widest = widths.index(max(widths))
    room = table.max_table_width - borders - (sum(widths) - widths[widest])
    if room >= _NARROWEST:
        table.max_width[table.field_names[widest]] = room


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
