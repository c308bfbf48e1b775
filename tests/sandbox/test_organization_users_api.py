"""Users of an organization: what its admins may do with them, and that each is an account that works."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from carto.sandbox import Sandbox, SandboxError
from carto.sandbox.accounts import accounts_of
from tests.sandbox.rails_client import Json, RailsClient, words

FORM = words(
    "name last_name username email avatar_url website description location twitter_username disqus_shortname"
    " available_for_hire base_url google_maps_query_string quota_in_bytes table_count viewer role_display org_admin"
    " public_visualization_count all_visualization_count org_user remove_logo db_size_in_bytes industry"
    " company_employees use_case company phone job_role soft_geocoding_limit api_key"
)
NOT_PERMITTED = {"errors": ["You do not have permissions to edit that user"]}


def described(name: str, role: str, **more: Any) -> Json:
    return {"name": name, "organization": "acme", "org_role": role, "keys": [{"type": "master", "token": name}], **more}


ACCOUNTS = [
    described("boss", "owner", soft_limits=["soft_geocoding_limit"], quota_bytes=50 << 20),
    described("admin1", "admin"),
    described("plain", "member", email="plain@example.com"),
    {"name": "stranger", "keys": [{"type": "master", "token": "stranger"}]},
]


@pytest.fixture(scope="module")
def carto() -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS) as running:
        yield running


def client(carto: Sandbox, name: str) -> RailsClient:
    return RailsClient(carto.account(name).base_url, name)


@pytest.fixture(scope="module")
def boss(carto: Sandbox) -> RailsClient:
    return client(carto, "boss")


@pytest.fixture(scope="module")
def admin(carto: Sandbox) -> RailsClient:
    return client(carto, "admin1")


@pytest.fixture
def user(boss: RailsClient) -> Iterator[Json]:
    """Make a user, who is deleted in the end."""
    made = new_user(boss)
    yield made
    assert boss.call("DELETE", path(made["username"]), params={"force": 1}).status_code in (200, 404)


def path(name: str = "", version: str = "v1") -> str:
    return f"{version}/organization/acme/users/{name}"


def new_user(boss: RailsClient, **values: Any) -> Json:
    name = f"user-{uuid.uuid4().hex[:8]}"
    sent = {"username": name, "email": f"{name}@example.com", "password": "open sesame", **values}
    made: Json = boss.json("POST", path(), json=sent)
    return made


def account_of(user: Json) -> RailsClient:
    return RailsClient(f"{user['base_url']}/", user["api_key"])


def test_a_new_user_is_an_account_that_works(boss: RailsClient, user: Json) -> None:
    assert list(user) == FORM
    assert user["base_url"] == boss.base_url.replace("/boss/", f"/{user['username']}")
    assert (user["org_user"], user["org_admin"], user["viewer"]) == (True, False, False)
    assert (user["quota_in_bytes"], user["soft_geocoding_limit"]) == (50 << 20, False)
    account = account_of(user)
    table = account.new_table()
    assert account.names(types="table") == [table]
    assert account.json("GET", "v1/users/me")["username"] == user["username"]
    shown = boss.json("GET", path(user["username"]))
    assert (shown["table_count"], shown["db_size_in_bytes"] > 0) == (1, True)
    assert boss.call("GET", "v2/sql", params={"q": f"SELECT * FROM {table}"}).status_code == 400, "it is not shared"
    granted = {"schema": "public", "name": table, "permissions": ["select"]}
    grants = [{"type": "apis", "apis": ["sql"]}, {"type": "database", "tables": [granted]}]
    key = account.json("POST", "v3/api_keys", json={"name": "k", "grants": grants})
    assert len(account.sql(f"SELECT * FROM {table}", key["token"])) == 2
    job = account.json("POST", "v2/sql/job", json={"query": "SELECT 1"})
    assert job["user"] == user["username"]


def test_all_users_are_listed(boss: RailsClient, user: Json) -> None:
    listed = boss.json("GET", path(version="v2"))
    assert [each["username"] for each in listed] == ["boss", "admin1", "plain", user["username"]]
    assert [each["org_admin"] for each in listed] == [True, True, False, False]
    assert listed[2]["email"] == "plain@example.com"
    assert all(list(each) == FORM for each in listed)


def test_a_user_is_read_by_both_versions_and_both_names(boss: RailsClient, carto: Sandbox) -> None:
    shown = boss.json("GET", path("plain"))
    organization = boss.json("GET", "v1/org")
    assert boss.json("GET", path("plain", "v2")) == shown
    assert boss.json("GET", f"v1/organization/{organization['id']}/users/plain/") == shown
    missing = boss.call("GET", path("nobody"))
    assert (missing.status_code, missing.text) == (404, "No user with username 'nobody' in 'acme'")
    assert missing.headers["content-type"].startswith("application/json")
    stranger = boss.call("GET", path("stranger"))
    assert (stranger.status_code, carto.account("stranger").organization) == (404, "")


def test_a_user_is_changed(boss: RailsClient, user: Json) -> None:
    at = path(user["username"])
    changes = {"email": "new@example.com", "quota_in_bytes": 1 << 20, "viewer": True, "soft_geocoding_limit": True}
    changed = boss.json("PUT", at, json={**changes, "password": "another one"})
    assert changed == {**user, **changes, "role_display": "viewer"}
    assert boss.json("PUT", at, data={"org_admin": "true"})["org_admin"] is True
    assert boss.json("PUT", at, json={"org_admin": False, "soft_geocoding_limit": False, "viewer": False}) == {
        **changed, "soft_geocoding_limit": False, "viewer": False, "role_display": "builder",
    }  # fmt: skip
    account = account_of(user)
    assert account.sql("SELECT _CDB_UserQuotaInBytes() AS bytes") == [{"bytes": 1 << 20}]
    copy = {"q": f"COPY {account.new_table()} (x) FROM STDIN"}
    full = account.call("POST", "v2/sql/copyfrom", params=copy, data=b"1\n" * (1 << 20))
    assert (full.status_code, full.json()) == (400, {"error": ["DB Quota exceeded"]})


def test_a_user_is_deleted(boss: RailsClient) -> None:
    user = new_user(boss)
    account = account_of(user)
    account.new_table()
    (row,) = account.sql("SELECT current_database() AS name")
    assert account.sql("SELECT CDB_LatLng(1, 2) IS NULL AS no") == [{"no": False}]
    deleted = boss.call("DELETE", path(user["username"]))
    assert (deleted.status_code, deleted.text) == (200, "User deleted")
    assert deleted.headers["content-type"].startswith("application/json")
    assert account.call("GET", "v2/sql", params={"q": "SELECT 1"}).status_code == 404
    assert boss.call("GET", path(user["username"])).status_code == 404
    assert boss.sql(f"SELECT count(*) AS n FROM pg_database WHERE datname = '{row['name']}'") == [{"n": 0}]
    role = f"cartodb_user_{row['name'].removeprefix('cartodb_user_').removesuffix('_db')}"
    assert boss.sql(f"SELECT count(*) AS n FROM pg_roles WHERE rolname = '{role}'") == [{"n": 0}]


def test_a_name_may_be_used_again(boss: RailsClient) -> None:
    former = new_user(boss)
    account_of(former).new_table()
    job = account_of(former).json("POST", "v2/sql/job", json={"query": "SELECT 1"})
    assert job["status"] == "pending"
    assert boss.call("DELETE", path(former["username"])).status_code == 200
    user = new_user(boss, username=former["username"])
    account = account_of(user)
    assert user["api_key"] != former["api_key"]
    assert account.names(types="table") == []
    table = account.new_table()
    assert account.call("GET", "v2/sql", params={"q": f"SELECT * FROM {table}", "format": "geojson"}).status_code == 200
    assert account.call("GET", "v2/sql", former["api_key"], params={"q": "SELECT 1"}).status_code == 401
    assert boss.call("DELETE", path(user["username"])).status_code == 200


def test_a_user_who_shares_something_is_kept_unless_forced(boss: RailsClient, user: Json) -> None:
    account = account_of(user)
    table = account.dataset(account.new_table(), show_permission="true")
    entity = boss.json("GET", "v1/users/me")
    acl = [{"type": "user", "entity": {"id": entity["id"]}, "access": "r"}]
    account.json("PUT", f"v1/perm/{table['permission']['id']}", json={"acl": acl})
    refused = boss.call("DELETE", path(user["username"]))
    assert (refused.status_code, refused.text) == (401, "Can't delete user. Has shared entities")
    assert boss.call("DELETE", path(user["username"]), params={"force": "true"}).text == "User deleted"


def test_what_was_shared_with_a_deleted_user(boss: RailsClient, user: Json) -> None:
    dataset = boss.dataset(boss.new_table(), show_permission="true")
    entity = account_of(user).json("GET", "v1/users/me")
    acl = [{"type": "user", "entity": {"id": entity["id"]}, "access": "r"}]
    shared = boss.json("PUT", f"v1/perm/{dataset['permission']['id']}", json={"acl": acl})
    assert [each["entity"]["username"] for each in shared["acl"]] == [user["username"]]
    assert boss.call("DELETE", path(user["username"])).status_code == 200
    assert boss.dataset(dataset["name"], show_permission="true")["permission"]["acl"] == []
    boss.sql(f"DROP TABLE {dataset['name']}")


@pytest.mark.parametrize(
    ("sent", "messages"),
    [
        ({}, ["Username can't be blank", "Email can't be blank", "Password can't be blank"]),
        ({"username": "boss"}, ["Username has already been taken"]),
        ({"username": "stranger", "password": ""}, ["Username has already been taken", "Password can't be blank"]),
        ({"username": "No_Good"},
         ["Username must only contain lowercase letters, numbers and the dash (-) symbol"]),
        ({"username": "-x-"},
         ["Username must start with alphanumeric chars", "Username must end with alphanumeric chars"]),
        ({"username": "x" * 64}, ["Username is too long, 63 characters is the maximum"]),
        ({"username": "www"}, ["Username is reserved"]),
        ({"username": "ok", "email": "nobody"}, ["Email is not a valid address"]),
        ({"username": "ok", "password": "short"}, ["Password must be at least 6 characters long"]),
        ({"username": "ok", "quota_in_bytes": "much"}, ["Quota in bytes is not a number"]),
        ({"username": "ok", "quota_in_bytes": 2**63},
         ["Quota in bytes must be less than or equal to 9223372036854775807"]),
        ({"username": "ok", "quota_in_bytes": "9" * 5000},
         ["Quota in bytes must be less than or equal to 9223372036854775807"]),
        ({"username": "ok", "soft_mapzen_routing_limit": True},
         ["Soft mapzen routing limit can't be assigned: the owner doesn't have it"]),
    ],
)  # fmt: skip
def test_users_that_make_no_sense(boss: RailsClient, sent: Json, messages: list[str]) -> None:
    complete = {"email": "ok@example.com", "password": "open sesame", **sent} if sent else {}
    refused = boss.call("POST", path(), json=complete)
    assert (refused.status_code, refused.json()) == (410, messages)
    assert boss.call("GET", path("ok")).status_code == 404


def test_changes_that_make_no_sense(boss: RailsClient) -> None:
    nothing = boss.call("PUT", path("plain"), json={"username": "other"})
    assert (nothing.status_code, nothing.text) == (410, "No update params provided")
    wrong = boss.call("PUT", path("plain"), json={"email": "x"})
    assert (wrong.status_code, wrong.json()) == (410, ["Email is not a valid address"])


@pytest.mark.parametrize("name", ["plain", "stranger"])
def test_others_do_not_manage_users(carto: Sandbox, name: str) -> None:
    for method, at in (("GET", path(version="v2")), ("GET", path("boss")), ("POST", path()), ("DELETE", path("boss"))):
        refused = client(carto, name).call(method, at)
        assert (refused.status_code, refused.json()) == (401, {})


def test_unknown_organizations_and_keys(boss: RailsClient) -> None:
    refused = boss.call("GET", "v2/organization/other/users")
    assert (refused.status_code, refused.json()) == (401, {})
    for key in (None, "wrong", "default_public"):
        refused = boss.call("GET", path(version="v2"), key)
        assert (refused.status_code, refused.content) == (401, b"")


def test_admins_do_not_touch_the_owner_and_each_other(boss: RailsClient, admin: RailsClient) -> None:
    other = new_user(boss, org_admin=True)
    for method, name in product(("PUT", "DELETE"), ("boss", other["username"])):
        refused = admin.call(method, path(name), json={"viewer": True})
        assert (refused.status_code, refused.json()) == (401, NOT_PERMITTED)
    sent = {"username": "more", "email": "m@example.com", "password": "open sesame", "org_admin": True}
    assert admin.call("POST", path(), json=sent).json() == NOT_PERMITTED
    assert admin.call("PUT", path("plain"), json={"org_admin": True}).json() == NOT_PERMITTED
    assert admin.json("PUT", path("plain"), json={"viewer": False})["viewer"] is False
    assert admin.json("PUT", path("admin1"), json={"viewer": False})["org_admin"] is True
    assert boss.call("DELETE", path(other["username"])).text == "User deleted"
    owner = boss.call("DELETE", path("boss"))
    assert (owner.status_code, owner.text) == (401, "Can't delete org owner")
    assert boss.json("PUT", path("boss"), json={"org_admin": False})["org_admin"] is True


def test_the_older_list_has_pages(carto: Sandbox, boss: RailsClient) -> None:
    plain = client(carto, "plain")
    at = f"v1/organization/{boss.json('GET', 'v1/org')['id']}/users"
    page = plain.json("GET", at, params={"per_page": 2, "order_direction": "desc"})
    assert [each["username"] for each in page["users"]] == ["plain", "boss"]
    assert (page["total_user_entries"], page["total_entries"]) == (3, 2)
    assert "email" in page["users"][0]
    assert "email" not in page["users"][1], "others see the public form"
    assert [each["username"] for each in boss.json("GET", at, params={"q": "oss"})["users"]] == ["boss"]
    assert [each["username"] for each in boss.json("GET", at, params={"q": "plain@example.com"})["users"]] == ["plain"]
    foreign = client(carto, "stranger").call("GET", at)
    assert (foreign.status_code, foreign.json()) == (401, {})


def test_the_organization_is_shown(carto: Sandbox, boss: RailsClient) -> None:
    organization = client(carto, "plain").json("GET", "v1/org")
    assert (organization["name"], organization["user_count"]) == ("acme", 3)
    assert organization["owner"]["username"] == "boss"
    assert organization["admins"] == [{"id": client(carto, "admin1").json("GET", "v1/users/me")["id"]}]
    assert boss.json("GET", "v1/users/me")["organization"] == organization
    assert client(carto, "stranger").call("GET", "v1/org").status_code == 404
    assert "organization" not in client(carto, "stranger").json("GET", "v1/users/me")


def test_the_sandbox_names_the_organization_of_its_first_account(carto: Sandbox) -> None:
    assert carto.organization == carto.account("plain").organization == "acme"


def test_admins_manage_the_keys_of_users(boss: RailsClient, carto: Sandbox) -> None:
    target = {"target_user": "plain"}
    made = boss.call("POST", "v3/api_keys", params=target, json={"name": "k", "grants": [{"type": "apis", "apis": []}]})
    assert made.json()["user"] == {"username": "plain"}
    plain = client(carto, "plain")
    assert plain.json("GET", "v3/api_keys/k")["token"] == made.json()["token"]
    assert boss.call("DELETE", "v3/api_keys/k", params=target).status_code == 204
    for name, user in (("plain", "boss"), ("stranger", "plain"), ("boss", "stranger"), ("boss", "nobody")):
        refused = client(carto, name).call("GET", "v3/api_keys", params={"target_user": user})
        text = "You don't have permission to access that resource"
        assert (refused.status_code, refused.json()) == (403, {"errors": text, "errors_cause": None})


def test_an_organization_has_one_owner() -> None:
    for accounts in ([ACCOUNTS[1]], [ACCOUNTS[0], described("two", "owner")]):
        with pytest.raises(ValueError, match="organization 'acme' needs exactly one account with the org_role 'owner'"):
            accounts_of(accounts)
    with pytest.raises(SandboxError, match="org_role of account 'x' is none of owner, admin, member"):
        Sandbox(accounts=[described("x", "king")]).start()
