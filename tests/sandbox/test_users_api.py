"""The account as its owner sees it, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import RailsClient

ACCOUNTS = [{"name": "carol", "quota_bytes": 10 << 20, "keys": [{"type": "master", "token": "carol"}]}]


@pytest.fixture(scope="module")
def carol() -> Iterator[RailsClient]:
    with Sandbox(accounts=ACCOUNTS) as running:
        yield RailsClient(running.base_url, "carol")


def test_the_user_counts_what_is_there(carol: RailsClient) -> None:
    carol.new_map(carol.new_table(), name="private")
    carol.json("POST", "v1/viz", json={"name": "linked"})
    user = carol.json("GET", "v1/users/carol")
    assert (user["username"], user["api_key"], user["quota_in_bytes"]) == ("carol", "carol", 10 << 20)
    assert (user["table_count"], user["all_visualization_count"]) == (1, 2)
    assert (user["private_privacy_map_count"], user["link_privacy_map_count"]) == (1, 1)
    assert 0 < user["db_size_in_bytes"] < 10 << 20
    assert user["remaining_byte_quota"] == user["quota_in_bytes"] - user["db_size_in_bytes"]
    assert user["last_visualization_created_at"].endswith("Z")
    assert user["limits"]["concurrent_imports"] == 3
    assert carol.json("GET", "v1/users/me") == user, "the id is ignored"
    assert carol.json("GET", "v3/me")["user_data"] == user


@pytest.mark.parametrize("key", [None, "wrong", "default_public"])
def test_others_learn_little(carol: RailsClient, key: str | None) -> None:
    refused = carol.call("GET", "v1/users/carol", key)
    assert (refused.status_code, refused.content) == (401, b"")
    seen = carol.json("GET", "v3/me", key)
    assert list(seen) == ["config"]
    assert seen["config"]["user_name"] == "carol"
    assert "api_key" not in str(seen)


def test_the_user_knows_its_quotas_and_imports(carol: RailsClient) -> None:
    before = carol.json("GET", "v1/users/me")
    assert before["created_at"].endswith("Z")
    assert before["geocoding"] == {"quota": 0, "block_price": None, "monthly_use": 0, "hard_limit": True}
    assert (before["regular_api_key_quota"], before["geocoder_provider"]) == (None, "none")
    files = {"file": ("stores.csv", b"name\na\n")}
    started = carol.json("POST", "v1/imports", files=files)
    state = ""
    while state not in ("complete", "failure"):
        state = carol.json("GET", f"v1/imports/{started['item_queue_id']}")["state"]
    after = carol.json("GET", "v1/users/me")
    counters = ("success_import_count", "failed_import_count", "import_count")
    assert [after[name] - before[name] for name in counters] == [1, 0, 1]


def test_the_apis_are_where_the_templates_say(carol: RailsClient) -> None:
    config = carol.json("GET", "v3/me", None)["config"]
    for api in ("sql", "maps"):
        assert config[f"{api}_api_template"].replace("{user}", "carol") == carol.base_url.rstrip("/")
