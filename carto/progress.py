"""Show how far a transfer or a job is: through a callback, or as a bar of tqdm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

from carto._http.streams import Report
from carto.exceptions import CartoUsageException

__all__ = ["Progress", "Report", "reporting"]

#: What the ``progress`` arguments take: a callback, True for a bar, or None (or False) for silence.
Progress: TypeAlias = "Report | bool | None"


@contextlib.contextmanager
def reporting(progress: Progress, description: str, unit: str = "B") -> Iterator[Report | None]:
    """Open the reporting of one transfer or job.

    Args:
        progress: What the caller asked for.
        description: The words before the bar.
        unit: What is counted; bytes are shown in kB and MB.

    Yields:
        The function to call with the state, or None when nobody listens.

    Raises:
        CartoUsageException: A bar was asked for and tqdm is not installed, or `progress` is something else.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _new_bar(description, unit) as bar:
            yield _drawing(bar)
    elif callable(progress):
        yield progress
    else:
        raise CartoUsageException(f"progress is a function, True or None, not {progress!r}")


def _new_bar(description: str, unit: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise CartoUsageException("progress=True draws with tqdm, which is not installed: run "
                                  "pip install '.[progress]' in a clone of carto, or pass a function") from None
    in_bytes = unit == "B"
    return tqdm(desc=description, unit=unit, unit_scale=in_bytes, unit_divisor=1024 if in_bytes else 1000)


def _drawing(bar: Any) -> Report:
    def draw(done: int, total: int | None) -> None:
        if bar.total != total:
            bar.total = total
            bar.refresh()
        bar.update(done - bar.n)

    return draw
