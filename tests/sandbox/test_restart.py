"""Keys, kuvizs and users that the API made are there after a restart, as it left them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from carto.sandbox import Sandbox, SandboxAccount
from tests.sandbox.rails_client import Json, RailsClient

KEYS = "v3/api_keys"
ACCOUNTS: list[Json] = [
    {
        "name": "boss",
        "organization": "acme",
        "org_role": "owner",
        "keys": [
            {"type": "master", "token": "first_master"},
            {"type": "regular", "name": "regular", "token": "first_regular"},
            {"type": "regular", "name": "deleted", "token": "first_deleted"},
        ],
    }
]
APIS = {"type": "apis", "apis": ["sql", "maps"]}


@dataclass(frozen=True)
class Before:
    """What the API answered before the restart."""

    key: Json
    master: str
    regular: str
    public: str
    kuviz: Json
    member: Json


@dataclass(frozen=True)
class After:
    """What runs after the restart."""

    boss: RailsClient
    started_with: SandboxAccount


@pytest.fixture(scope="module")
def restarted(module_data_dir: Path) -> Iterator[tuple[Before, After]]:
    with Sandbox(accounts=ACCOUNTS, data_dir=module_data_dir) as running:
        before = _make_things(RailsClient(running.base_url, "first_master"))
    with Sandbox(accounts=ACCOUNTS, data_dir=module_data_dir) as running:
        yield before, After(RailsClient(running.base_url, before.master), running.account("boss"))


def _make_things(boss: RailsClient) -> Before:
    boss.sql("CREATE TABLE kept (x int); CREATE TABLE other (x int)")
    table = {"schema": "public", "name": "kept", "permissions": ["select"]}
    key = boss.json("POST", KEYS, json={"name": "mine", "grants": [APIS, {"type": "database", "tables": [table]}]})
    assert boss.call("DELETE", f"{KEYS}/deleted").status_code == 204
    page = base64.b64encode(b"<html>kept</html>").decode()
    kuviz = boss.json("POST", "v4/kuviz", json={"name": "kept", "data": page})
    sent = {"username": "worker", "email": "w@example.com", "password": "sesame", "quota_in_bytes": 1 << 20}
    boss.json("POST", "v1/organization/acme/users", json=sent)
    member = boss.json("PUT", "v1/organization/acme/users/worker", json={"viewer": True})
    renewed = [boss.json("POST", f"{KEYS}/{name}/token/regenerate")["token"]
               for name in ("regular", "Default public", "Master")]  # fmt: skip
    regular, public, master = renewed
    return Before(key, master, regular, public, kuviz, member)


def test_keys_are_as_they_were_left(restarted: tuple[Before, After]) -> None:
    before, after = restarted
    assert after.started_with.api_key == before.master
    assert set(after.started_with.keys) == {"Master", "Default public", "regular", "mine"}
    assert after.boss.json("GET", f"{KEYS}/mine") == before.key
    assert after.boss.sql("SELECT * FROM kept", before.key["token"]) == []
    refused = after.boss.call("GET", "v2/sql", before.key["token"], params={"q": "SELECT * FROM other"})
    assert refused.status_code == 403
    for key in (before.master, before.regular, before.public, None):
        assert after.boss.sql("SELECT 1 AS one", key) == [{"one": 1}], "no key is the public one, whatever its token"


@pytest.mark.parametrize("token", ["first_master", "first_regular", "first_deleted", "default_public"])
def test_former_tokens_are_still_refused(restarted: tuple[Before, After], token: str) -> None:
    refused = restarted[1].boss.call("GET", "v2/sql", token, params={"q": "SELECT 1"})
    assert (refused.status_code, refused.json()) == (401, {"error": ["Unauthorized"]})


def test_kuvizs_are_kept(restarted: tuple[Before, After]) -> None:
    before, after = restarted
    (kuviz,) = after.boss.json("GET", "v4/kuviz")["visualizations"]
    assert kuviz == {**before.kuviz, "url": kuviz["url"]}
    assert requests.get(kuviz["url"], timeout=30).text == "<html>kept</html>"


def test_users_are_kept(restarted: tuple[Before, After]) -> None:
    before, after = restarted
    member = after.boss.json("GET", "v1/organization/acme/users/worker")
    changing = {"base_url": member["base_url"], "db_size_in_bytes": member["db_size_in_bytes"]}
    assert member == {**before.member, **changing}
    assert member["viewer"] is True
    worker = RailsClient(f"{member['base_url']}/", member["api_key"])
    assert worker.sql("SELECT 1 AS one") == [{"one": 1}]
