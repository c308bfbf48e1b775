"""A table as a data frame: pandas and pyarrow reading CSV from the stream of COPY TO, and from a local file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.model import MEGABYTE, OLD, OURS, Contender, Row, Work
from bench.stage import Stage


def pandas_of_file(work: Work) -> Callable[[], int]:
    return lambda: _read_with_pandas(work.data)


def pandas_of_stream(work: Work) -> Callable[[], int]:
    client = _copy_client(work)
    return lambda: _read_with_pandas(client.copyto_stream(_QUERY))


def pyarrow_of_file(work: Work) -> Callable[[], int]:
    return lambda: _read_with_pyarrow(work.data)


def pyarrow_of_stream(work: Work) -> Callable[[], int]:
    client = _copy_client(work)
    return lambda: _read_with_pyarrow(client.copyto_stream(_QUERY))


def _read_with_pandas(source: Any) -> int:
    import pandas

    return len(pandas.read_csv(source, header=None))


def _read_with_pyarrow(source: Any) -> int:
    from pyarrow import csv

    table = csv.read_csv(source, read_options=csv.ReadOptions(autogenerate_column_names=True))
    return int(table.num_rows)


def _copy_client(work: Work) -> Any:
    from carto.auth import APIKeyAuthClient
    from carto.sql import CopySQLClient

    return CopySQLClient(APIKeyAuthClient(work.base_url, work.api_key))


def _work(stage: Stage, size: int) -> Work:
    file = stage.csv(size)
    return Work(size, stage.server(file, "application/octet-stream", chunked=True), data=str(file))


_QUERY = "COPY bench TO STDOUT WITH (FORMAT csv)"
_SIZE = 50 * MEGABYTE

ROWS = [
    Row("pandas", "pandas.read_csv on the stream of COPY TO", "byte", _SIZE, _work,
        (Contender("pandas, local file", pandas_of_file), Contender(OURS, pandas_of_stream),
         Contender(OLD, pandas_of_stream))),
    Row("pyarrow", "pyarrow.csv.read_csv on the stream of COPY TO", "byte", _SIZE, _work,
        (Contender("pyarrow, local file", pyarrow_of_file), Contender(OURS, pyarrow_of_stream),
         Contender(OLD, pyarrow_of_stream))),
]
