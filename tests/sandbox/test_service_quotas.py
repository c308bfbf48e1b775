"""The functions that tell the quotas of the data services, and who may call them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from carto.sandbox.accounts import account_from_dict
from tests.sandbox.api import Account
from tests.sandbox.rails_client import Json

ACCOUNT: Json = {
    "name": "mapper",
    "keys": [
        {"type": "master", "token": "master"},
        {"type": "regular", "name": "geocoder", "token": "geocoder", "services": ["geocoding"]},
        {"type": "regular", "name": "other", "token": "other"},
    ],
    "service_quotas": {
        "hires_geocoder": {"monthly_quota": 100, "used_quota": 40, "provider": "tomtom"},
        "routing": {"monthly_quota": 10, "used_quota": 10, "soft_limit": True, "provider": "mapbox"},
    },
}
NOTHING = {"monthly_quota": 0, "used_quota": 0, "soft_limit": False, "provider": "none"}
QUALIFIED = "SELECT * FROM cdb_dataservices_client.cdb_service_quota_info()"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with Sandbox(accounts=[ACCOUNT]) as running:
        yield running.base_url


@pytest.mark.parametrize("query", [QUALIFIED, "SELECT * FROM cdb_service_quota_info()"])
def test_the_quotas_are_those_of_the_account(base_url: str, query: str) -> None:
    rows = Account(base_url, "master").rows(query)
    assert rows == [
        {"service": "isolines", **NOTHING},
        {"service": "hires_geocoder", **NOTHING, "monthly_quota": 100, "used_quota": 40, "provider": "tomtom"},
        {"service": "routing", "monthly_quota": 10, "used_quota": 10, "soft_limit": True, "provider": "mapbox"},
        {"service": "observatory", **NOTHING},
    ]


@pytest.mark.parametrize(
    ("service", "size", "is_enough"),
    [("hires_geocoder", 60, True), ("hires_geocoder", 61, False), ("routing", 1, True), ("isolines", 1, False),
     ("nonsense", 0, False)],
)  # fmt: skip
def test_whether_a_quota_is_enough(base_url: str, service: str, size: int, is_enough: bool) -> None:
    assert Account(base_url, "master").value(f"SELECT cdb_enough_quota('{service}', {size})") is is_enough


def test_only_keys_with_a_service_are_told(base_url: str) -> None:
    assert len(Account(base_url, "geocoder").rows(QUALIFIED)) == 4
    for key in ("other", None):
        refused = Account(base_url, key).get(QUALIFIED)
        assert (refused.status_code, refused.json()["error"]) == (
            403, ["permission denied for schema cdb_dataservices_client"],
        )  # fmt: skip


def test_nobody_changes_a_quota_by_sql(base_url: str) -> None:
    refused = Account(base_url, "master").post("DELETE FROM cdb_dataservices_client._service_quotas")
    assert (refused.status_code, refused.json()["error"]) == (403, ["permission denied for table _service_quotas"])


def test_unknown_services_are_refused() -> None:
    with pytest.raises(ValueError, match="quotas of unknown services: geocoding"):
        account_from_dict({**ACCOUNT, "service_quotas": {"geocoding": {}}})
