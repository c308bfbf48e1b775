"""What a row of the benchmark is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from bench.stage import Stage

OURS = "carto"
OLD = "carto-python 1.11.3"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Work:
    """What the contenders of a row are given, all of them the same.

    Attributes:
        size: Calls, bytes or rows.
        base_url: Address of the account.
        api_key: Its key.
        data: File to send, or to parse.
        output: File to write.
        conninfo: How psycopg reaches the sandbox's PostgreSQL.
        table: Table in it.
        ca_bundle: Certificates to trust, for TLS.
        threads: Threads that share one client.
        compress: Whether COPY FROM sends gzip.
    """

    size: int
    base_url: str = ""
    api_key: str = "bench_key"
    data: str = ""
    output: str = ""
    conninfo: str = ""
    table: str = "bench"
    ca_bundle: str = ""
    threads: int = 1
    compress: bool = False


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of this process on a processor.
        peak: Bytes that its memory grew at most.
        done: What was done, to be compared between contenders; None where it has no number.
    """

    wall: float
    cpu: float
    peak: int
    done: int | None = None


#: Prepares everything that is not to be measured, and returns what is.
Task: TypeAlias = Callable[[Work], Callable[[], "int | Sample | None"]]


@dataclass(frozen=True)
class Contender:
    """One way to do a row's work, measured in a process of its own."""

    name: str
    task: Task

    @property
    def environment(self) -> str:
        """Name of the virtual environment that it runs in."""
        return "carto-python" if self.name == OLD else "bench"

    @property
    def address(self) -> str:
        """Where its process finds the task."""
        return f"{self.task.__module__}:{self.task.__qualname__}"


@dataclass(frozen=True)
class Reach:
    """What our own package shall reach.

    Attributes:
        at_most: Ratio to another contender, or CPU in milliseconds a megabyte when there is no other.
        other: That contender.
        measure: ``wall`` or ``cpu``.
    """

    at_most: float
    other: str = ""
    measure: str = "wall"

    def __str__(self) -> str:
        if not self.other:
            return f"at most {self.at_most:g} ms CPU/MB"
        return f"at most {self.at_most:g} × {self.other}{' in CPU' if self.measure == 'cpu' else ''}"


@dataclass(frozen=True)
class Row:
    """One kind of work.

    Attributes:
        key: Name for the command line and for files.
        title: What is done.
        unit: What `size` counts: ``call``, ``byte``, ``row``, ``dataset``, ``job`` or ``import``.
        size: How much of it in a full run.
        work: Makes what the contenders need for a size.
        contenders: The first one is the limit that all are compared with.
        reaches: What is to be reached.
        before: Run before each measurement.
        grows: Whether a tenth of the work is measured as well.
    """

    key: str
    title: str
    unit: str
    size: int
    work: Callable[[Stage, int], Work]
    contenders: tuple[Contender, ...]
    reaches: tuple[Reach, ...] = ()
    before: Callable[[Work], None] | None = None
    grows: bool = True

    @property
    def limit(self) -> str:
        """Name of the contender that all are compared with."""
        return self.contenders[0].name
