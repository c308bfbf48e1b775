"""The datasets of an account: all of a list that the server sends at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bench.model import OLD, OURS, Contender, Reach, Row, Work
from bench.stage import Stage


def json_loads(work: Work) -> Callable[[], int]:
    """Parse the same bytes, which lie in memory."""
    with open(work.data, "rb") as file:
        text = file.read()
    return lambda: len(json.loads(text)["visualizations"])


def carto(work: Work) -> Callable[[], int]:
    manager = _manager(work)
    return lambda: len(manager.all())


def carto_and_look(work: Work) -> Callable[[], int]:
    """List them, and look at what a table of them would show."""
    manager = _manager(work)
    return lambda: len([(each.name, each.updated_at, each.table.row_count, each.permission.owner.username)
                        for each in manager.all()])


def _manager(work: Work) -> Any:
    from carto.auth import APIKeyAuthClient
    from carto.datasets import DatasetManager

    return DatasetManager(APIKeyAuthClient(work.base_url, work.api_key, "bench"))


def _work(stage: Stage, size: int) -> Work:
    page = stage.datasets(size)
    return Work(size, stage.server(page, "application/json; charset=utf-8"), data=str(page))


def _contenders(task: Callable[[Work], Callable[[], int]]) -> tuple[Contender, ...]:
    return Contender("json.loads", json_loads), Contender(OURS, task), Contender(OLD, task)


ROWS = [
    Row("listing", "List of datasets", "dataset", 10_000, _work, _contenders(carto), (Reach(1.9, "json.loads"),)),
    Row("listing-touched", "List of datasets, each looked at", "dataset", 10_000, _work, _contenders(carto_and_look)),
]
