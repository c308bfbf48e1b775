"""What every output format gets, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from carto.sandbox.execution import Execution
from carto.sandbox.query_parameters import QueryParameters


@dataclass
class Run:
    """One query on its way to an answer.

    Attributes:
        parameters: What was asked for.
        connection: Connection of the caller's role.
        conninfo: Connection string of that role, for tools that connect by themselves.
        type_names: Names of types by OID, see `node_types.describe`.
        scratch_dir: Where temporary files belong.
        started: When the request came, on the monotonic clock.
    """

    parameters: QueryParameters
    connection: psycopg.AsyncConnection
    conninfo: str
    type_names: dict[int, str]
    scratch_dir: Path
    started: float = field(default_factory=time.monotonic)

    def execute(self, sql: str) -> Execution:
        """Prepare the run of a text in the caller's connection."""
        return Execution(self.connection, sql)

    def elapsed_s(self) -> float:
        """Return the seconds since the request came, in whole milliseconds."""
        return round(time.monotonic() - self.started, 3)


Producer = Callable[[Run], AsyncIterator[bytes]]
"""Gives the body piece by piece. An ApiError before the first piece becomes the answer."""


@dataclass(frozen=True)
class Format:
    """An output format.

    Attributes:
        extension: Extension of the file's name.
        content_type: Content-Type header.
        produce: What writes it.
    """

    extension: str
    content_type: str
    produce: Producer
