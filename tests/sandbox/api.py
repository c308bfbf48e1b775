"""Calls of the SQL API without any SDK, and the accounts that tests of keys and limits need."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from tests.sandbox.processes import wait_until

TIMEOUT_S = 30

ACCOUNTS: list[dict[str, Any]] = [
    {
        "name": "owner",
        "keys": [
            {"type": "master", "token": "master_of_owner"},
            {"type": "default"},
            {
                "type": "regular",
                "name": "writer",
                "token": "writer",
                "tables": {"shared": ["select", "insert"]},
            },
            {"type": "regular", "name": "maps", "token": "maps_only", "sql": False},
        ],
    },
    {
        "name": "limited",
        "keys": [
            {"type": "master", "token": "master_of_limited", "statement_timeout_ms": 400},
            {"type": "default", "statement_timeout_ms": 200},
        ],
        "quota_bytes": 1_000_000,
    },
    {
        "name": "throttled",
        "keys": [{"type": "master", "token": "master_of_throttled"}],
        "rate_limits": {"copy_to": {"burst": 2, "count": 1, "period_s": 1}},
    },
    {"name": "locked", "can_log_in": False, "keys": [{"type": "master", "token": "master_of_locked"}]},
]


class Account:
    """One account of a running sandbox."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self.url = base_url + "api/v2/sql"
        self.api_key = api_key

    def get(self, q: str, path: str = "", **params: Any) -> requests.Response:
        return requests.get(self.url + path, params=self._params(q, params), timeout=TIMEOUT_S)

    def post(self, q: str, **params: Any) -> requests.Response:
        return requests.post(self.url, data=self._params(q, params), timeout=TIMEOUT_S)

    def rows(self, q: str) -> list[dict[str, Any]]:
        response = self.post(q)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows

    def value(self, q: str) -> Any:
        (row,) = self.rows(q)
        (value,) = row.values()
        return value

    def copy_from(self, q: str, data: Any, **headers: str) -> requests.Response:
        params = self._params(q, {})
        return requests.post(f"{self.url}/copyfrom", params=params, data=data, headers=headers, timeout=TIMEOUT_S)

    def copy_to(self, q: str, **params: Any) -> requests.Response:
        return self.get(q, "/copyto", **params)

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT_S)

    @contextmanager
    def lock_held(self, number: str) -> Iterator[None]:
        """Hold an advisory lock of the database until the end: then the client leaves, which ends its statement."""
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        before = self.value(held)
        with self.connect() as connection:
            target = self.target(f"SELECT pg_advisory_xact_lock({number}), pg_sleep(60)")
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(lambda: bool(self.value(held) > before))
            yield

    def target(self, q: str, path: str = "") -> str:
        """Return path and query of a request, for those that are written to a socket by hand."""
        return f"{urlsplit(self.url).path}{path}?{urlencode(self._params(q, {}))}"

    def _params(self, q: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"q": q, **({"api_key": self.api_key} if self.api_key is not None else {}), **params}


def basic(user: str, key: str) -> dict[str, str]:
    """Return the header of Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}
