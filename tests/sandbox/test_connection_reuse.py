"""A connection to PostgreSQL serves many calls, one after the other."""

from __future__ import annotations

import requests

from carto.sandbox import Sandbox

#: psycopg prepares a statement that it sees for the sixth time.
MANY = 15


def test_the_same_copy_works_many_times(sandbox: Sandbox) -> None:
    query = {"q": "COPY (SELECT 1) TO STDOUT", "api_key": sandbox.api_key}
    answers = [requests.get(f"{sandbox.base_url}api/v2/sql/copyto", query, timeout=30) for _ in range(MANY)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "1\n")] * MANY


def test_the_same_query_works_many_times(sandbox: Sandbox) -> None:
    query = {"q": "SELECT 1 AS one", "api_key": sandbox.api_key}
    answers = [requests.get(f"{sandbox.base_url}api/v2/sql", query, timeout=30) for _ in range(MANY)]
    assert [answer.json().get("rows") for answer in answers] == [[{"one": 1}]] * MANY
