"""JSON answers with many rows, as they are and in gzip."""

from __future__ import annotations

import json
from collections.abc import Callable

from bench.model import OLD, OURS, Contender, Row, Work
from bench.stage import Stage

_QUERY = "SELECT * FROM bench"


def carto(work: Work) -> Callable[[], int]:
    from carto.auth import APIKeyAuthClient
    from carto.sql import SQLClient

    client = SQLClient(APIKeyAuthClient(work.base_url, work.api_key))
    return lambda: len(client.send(_QUERY)["rows"])


def requests_json(work: Work) -> Callable[[], int]:
    import requests

    session = requests.Session()
    return lambda: len(session.post(work.base_url, data={"q": _QUERY}).json()["rows"])


def urllib3_json(work: Work) -> Callable[[], int]:
    import urllib3

    pool = urllib3.PoolManager()
    return lambda: len(json.loads(pool.request("POST", work.base_url, body=f"q={_QUERY}").data)["rows"])


def _work(gzip: bool) -> Callable[[Stage, int], Work]:
    def make(stage: Stage, size: int) -> Work:
        return Work(size, stage.server(stage.json(size), "application/json; charset=utf-8", gzip=gzip, chunked=True))

    return make


_CONTENDERS = (Contender("urllib3 + json.loads", urllib3_json), Contender("requests.Session.post", requests_json),
               Contender(OURS, carto), Contender(OLD, carto))

ROWS = [
    Row("json", "Rows of a JSON answer", "row", 200_000, _work(False), _CONTENDERS),
    Row("json-gzip", "Rows of a JSON answer in gzip", "row", 200_000, _work(True), _CONTENDERS),
]
