"""Waiting for imports: how long it takes until the caller knows that a job has ended.

The clock is the row's own: it goes on only when somebody sleeps, so that minutes pass at once and every run gives
the same. Requests take no time.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from bench.model import OLD, OURS, Contender, Reach, Row, Sample, Work
from bench.stage import Stage

_SEED = 1113
_ID = "2c7a0a1e-6f0b-4a52-9a3b-0f3f5f0c1d11"
_DATASET = {"id": _ID, "name": "stores", "type": "table"}


def jobs_alone(work: Work) -> Callable[[], Sample]:
    """Know of the end of every job at once."""
    return lambda: _sample(sum(_durations(work)), work)


def carto(work: Work) -> Callable[[], Sample]:
    def wait_for_all() -> Sample:
        clock = _Clock()
        with mock.patch.multiple(time, sleep=clock.sleep, monotonic=clock.now):
            return _sample(sum(_waited(clock, seconds) for seconds in _durations(work)), work)

    return wait_for_all


class _Clock:
    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self._seconds += seconds


def _waited(clock: _Clock, duration: float) -> float:
    from carto.datasets import DatasetManager

    start = clock.now()
    assert DatasetManager(_client(clock, start + duration)).create("https://example.com/stores.csv").name == "stores"
    return clock.now() - start


def _client(clock: _Clock, end: float) -> Any:
    """Make a client whose server imports until a point in time."""
    import requests
    from pyrestcli.auth import BaseAuthClient

    class Client(BaseAuthClient):
        organization = None

        def send(self, relative_path: str, http_method: str, **_: Any) -> requests.Response:
            state = "complete" if clock.now() >= end else "importing"
            answer = _answer(relative_path, state)
            response = requests.Response()
            response.status_code = 200
            response._content = json.dumps(answer).encode()
            return response

    return Client("https://bench.carto.com/")


def _answer(path: str, state: str) -> dict[str, Any]:
    if "imports" in path:
        return {"item_queue_id": _ID, "id": _ID, "state": state, "table_id": _ID, "success": state == "complete"}
    return {"id": _ID, "name": "stores", "table_visualization": _DATASET} if "tables" in path else _DATASET


def _durations(work: Work) -> list[float]:
    """Give seconds between those that the work names, as many short ones as long ones by their logarithm."""
    shortest, longest = map(float, work.data.split("-"))
    chance = random.Random(_SEED)
    return [shortest * (longest / shortest) ** chance.random() for _ in range(work.size)]


def _sample(seconds: float, work: Work) -> Sample:
    return Sample(seconds, seconds, 0, work.size)


def _between(seconds: str) -> Callable[[Stage, int], Work]:
    return lambda stage, size: Work(size, data=seconds)


_CONTENDERS = (Contender("the jobs alone", jobs_alone), Contender(OURS, carto), Contender(OLD, carto))

ROWS = [
    # a second may be lost of 10.8, which is the mean of the first row, and a quarter of 0.63 in the second
    Row("waiting-long", "Waiting for imports of 2 to 32 s, half of them below 8 s", "job", 500, _between("2-32"),
        _CONTENDERS, (Reach(1.09, "the jobs alone"),), grows=False),
    Row("waiting-short", "Waiting for imports of 0.1 to 2 s", "job", 500, _between("0.1-2"), _CONTENDERS,
        (Reach(1.39, "the jobs alone"),), grows=False),
    Row("waiting-mixed", "Waiting for imports of 0.1 to 60 s", "job", 500, _between("0.1-60"), _CONTENDERS,
        grows=False),
]
