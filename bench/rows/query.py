"""One small query: what the client costs where the server costs nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from bench.model import OLD, OURS, Contender, Reach, Row, Work
from bench.stage import Stage

QUERY = "SELECT 1 AS one"
THREADS = (1, 5, 20, 50)
REQUESTS = "requests.Session.post"
URLLIB3 = "urllib3 pool"


def kept_carto(work: Work) -> Callable[[], int]:
    client = _sql_client(work)
    return lambda: _all_calls(work, lambda: client.send(QUERY))


def new_carto(work: Work) -> Callable[[], int]:
    _trust(work)
    return lambda: _all_calls(work, lambda: _sql_client(work).send(QUERY))


def kept_requests(work: Work) -> Callable[[], int]:
    import requests

    _trust(work)
    session = requests.Session()
    return lambda: _all_calls(work, lambda: session.post(_url(work), data=_form(work)).json())


def new_requests(work: Work) -> Callable[[], int]:
    import requests

    def call() -> Any:
        with requests.Session() as session:
            return session.post(_url(work), data=_form(work)).json()

    _trust(work)
    return lambda: _all_calls(work, call)


def kept_urllib3(work: Work) -> Callable[[], int]:
    pool = _pool(work)
    return lambda: _all_calls(work, lambda: _post(pool, work))


def new_urllib3(work: Work) -> Callable[[], int]:
    context = _context(work)

    def call() -> Any:
        pool = _pool(work, context)
        try:
            return _post(pool, work)
        finally:
            pool.clear()

    return lambda: _all_calls(work, call)


def _all_calls(work: Work, call: Callable[[], Any]) -> int:
    """Make the calls from so many threads; count the rows that came."""
    if work.threads == 1:
        return sum(len(call()["rows"]) for _ in range(work.size))
    with ThreadPoolExecutor(work.threads) as threads:
        return sum(threads.map(lambda _: len(call()["rows"]), range(work.size)))


def _sql_client(work: Work) -> Any:
    from carto.auth import APIKeyAuthClient
    from carto.sql import SQLClient

    _trust(work)
    return SQLClient(APIKeyAuthClient(work.base_url, work.api_key))


def _trust(work: Work) -> None:
    if work.ca_bundle:
        os.environ["REQUESTS_CA_BUNDLE"] = work.ca_bundle


def _context(work: Work) -> Any:
    import ssl

    return ssl.create_default_context(cafile=work.ca_bundle) if work.ca_bundle else None


def _pool(work: Work, context: Any = None) -> Any:
    import urllib3

    return urllib3.PoolManager(maxsize=work.threads, ssl_context=context or _context(work))


def _post(pool: Any, work: Work) -> Any:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return json.loads(pool.request("POST", _url(work), body=urlencode(_form(work)), headers=headers).data)


def _url(work: Work) -> str:
    return f"{work.base_url}api/v2/sql"


def _form(work: Work) -> dict[str, str]:
    return {"q": QUERY, "api_key": work.api_key}


def _work(tls: bool = False, threads: int = 1) -> Callable[[Stage, int], Work]:
    def make(stage: Stage, size: int) -> Work:
        return Work(size, stage.small_answer(tls), ca_bundle=str(stage.ca_bundle) if tls else "", threads=threads)

    return make


_REACH = (Reach(0.7, REQUESTS),)
_KEPT = (Contender(URLLIB3, kept_urllib3), Contender(REQUESTS, kept_requests), Contender(OURS, kept_carto),
         Contender(OLD, kept_carto))
_NEW = (Contender(URLLIB3, new_urllib3), Contender(REQUESTS, new_requests), Contender(OURS, new_carto),
        Contender(OLD, new_carto))

ROWS = [
    Row("query-plain-kept", "Small query, connection kept", "call", 1000, _work(), _KEPT, _REACH),
    Row("query-plain-new", "Small query, client and connection new", "call", 300, _work(), _NEW, _REACH),
    Row("query-tls-kept", "Small query over TLS, connection kept", "call", 1000, _work(tls=True), _KEPT, _REACH),
    Row("query-tls-new", "Small query over TLS, client and connection new", "call", 50, _work(tls=True), _NEW, _REACH),
    *(Row(f"query-threads-{count}", f"Small queries from {count} thread{'s' if count > 1 else ''} on one client",
          "call", 1000, _work(threads=count), _KEPT, _REACH) for count in THREADS[1:]),
]
