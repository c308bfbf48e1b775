"""What the tests of the examples share: a look at the account that owes nothing to the SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import Json, RailsClient


@pytest.fixture(scope="session")
def account(sandbox: Sandbox) -> RailsClient:
    return RailsClient(sandbox.base_url, sandbox.api_key)


@pytest.fixture(scope="module")
def clean_account(account: RailsClient) -> Iterator[None]:
    """Delete what the tests of a module leave in the account."""
    before = {each["id"] for each in _visualizations(account)}
    yield
    for each in account.json("GET", "v1/synchronizations")["synchronizations"]:
        account.call("DELETE", f"v1/synchronizations/{each['id']}")
    new = [each for each in _visualizations(account) if each["id"] not in before]
    for each in sorted(new, key=lambda found: found["type"] == "table"):  # a map goes with its last dataset
        assert account.call("DELETE", f"v1/viz/{each['id']}").status_code == 204


def _visualizations(account: RailsClient) -> list[Json]:
    found: list[Json] = account.json(
        "GET", "v1/viz", params={"per_page": 1000, "types": "table,derived"})["visualizations"]
    return found
