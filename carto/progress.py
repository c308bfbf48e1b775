"""Show how far a transfer or a job is: through a callback, or as a bar of tqdm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeAlias

from carto._http.streams import Report
from carto._http.wire import Block
from carto.exceptions import CartoUsageException

__all__ = ["Progress", "Report", "checked_progress", "counted", "reporting", "showing_states"]

#: What the ``progress`` arguments take: a callback, True for a bar, or None (or False) for silence.
Progress: TypeAlias = "Report | bool | None"


def checked_progress(progress: Any) -> Any:
    """Refuse what nothing can be shown with, before there is something to show.

    Args:
        progress: What the caller gave.

    Returns:
        The same.

    Raises:
        CartoUsageException: A bar was asked for and tqdm is not installed, or `progress` is something else.
    """
    if progress is True:
        _tqdm()
    elif progress is not None and progress is not False and not callable(progress):
        raise CartoUsageException(f"progress is a function, True or None, not {progress!r}")
    return progress


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
    else:
        yield checked_progress(progress)


def counted(blocks: Generator[Block, None, None], progress: Progress, description: str,
            total: int | None) -> Generator[Block, None, None]:
    """Pass the blocks of a download on, and tell how far it is.

    Args:
        blocks: The blocks; they are closed with what is returned.
        progress: What the caller asked for.
        description: See `reporting`.
        total: The bytes that there will be, or None where that is not known.

    Yields:
        The blocks.
    """
    done = 0
    with reporting(progress, description) as report, contextlib.closing(blocks):
        for block in blocks:
            yield block
            done += len(block)
            if report is not None:
                report(done, total)


@contextlib.contextmanager
def showing_states(progress: Progress, on_state: Callable[[Any], None] | None,
                   description: str) -> Iterator[Callable[[Any], None] | None]:
    """Open the reporting of a job's states, in a line on the screen where a bar was asked for.

    Args:
        progress: What the caller asked for: True draws.
        on_state: The caller's own function, or None.
        description: The words before the state.

    Yields:
        The function to call with the job, which has a ``state``, or None when nobody listens.
    """
    if progress is not True:
        yield on_state
        return
    with _new_bar(description, "B", bar_format="{desc} [{elapsed}]") as bar:
        def show(job: Any) -> None:
            bar.set_description_str(f"{description}: {job.state}")
            if on_state is not None:
                on_state(job)

        yield show


def _new_bar(description: str, unit: str, **options: Any) -> Any:
    in_bytes = unit == "B"
    return _tqdm()(desc=description, unit=unit, unit_scale=in_bytes, unit_divisor=1024 if in_bytes else 1000, **options)


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise CartoUsageException("progress=True draws with tqdm, which is not installed: run "
                                  "pip install '.[progress]' in a clone of carto, or pass a function") from None
    return tqdm


def _drawing(bar: Any) -> Report:
    def draw(done: int, total: int | None) -> None:
        if bar.total != total:
            bar.total = total
            bar.refresh()
        bar.update(done - bar.n)

    return draw
