"""Kuvizs: publishing pages of HTML, and reading them as anybody does, over a real socket."""

from __future__ import annotations

import base64
import http.client
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.api import basic
from tests.sandbox.rails_client import Json, RailsClient

KUVIZS = "v4/kuviz"
PAGE = "<html><body><h1>Größe</h1></body></html>"
NOBODY = "00000000-0000-4000-8000-000000000000"
ACCOUNTS: list[Json] = [
    {"name": name, "keys": [{"type": "master", "token": f"master_of_{name}"}, {"type": "regular", "token": "regular"}]}
    for name in ("alice", "bob")
]


@pytest.fixture(scope="module")
def carto() -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="module")
def bob(carto: Sandbox) -> RailsClient:
    return RailsClient(carto.account("bob").base_url, "master_of_bob")


@pytest.fixture
def alice(carto: Sandbox) -> Iterator[RailsClient]:
    """Give an account that has no kuviz, and delete what a test makes."""
    client = RailsClient(carto.base_url, "master_of_alice")
    yield client
    for kuviz in client.json("GET", KUVIZS, params={"per_page": 1000})["visualizations"]:
        assert client.call("DELETE", f"{KUVIZS}/{kuviz['id']}").status_code == 204


def encoded(page: str) -> str:
    return base64.b64encode(page.encode()).decode()


def publish(client: RailsClient, name: str = "a page", page: str = PAGE, **values: Any) -> Json:
    made: Json = client.json("POST", KUVIZS, json={"name": name, "data": encoded(page), **values})
    return made


def seen(kuviz: Json) -> requests.Response:
    return requests.get(kuviz["url"], timeout=30)


def names(client: RailsClient, **params: Any) -> list[str]:
    return [each["name"] for each in client.json("GET", KUVIZS, params=params)["visualizations"]]


def test_a_page_is_published(alice: RailsClient) -> None:
    kuviz = publish(alice, "Größe")
    assert list(kuviz) == ["id", "name", "privacy", "created_at", "updated_at", "url"]
    assert (kuviz["name"], kuviz["privacy"]) == ("Größe", "public")
    assert kuviz["created_at"].endswith("Z")
    assert kuviz["url"] == f"{alice.base_url}kuviz/{uuid.UUID(kuviz['id'])}"
    page = seen(kuviz)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text == PAGE
    assert alice.json("GET", KUVIZS + "/") == {"visualizations": [kuviz], "total_entries": 1}


def test_a_page_with_a_password_asks_for_it(alice: RailsClient) -> None:
    kuviz = publish(alice, password="open sesame", privacy="public")
    assert kuviz["privacy"] == "password", "the password decides"
    asked = seen(kuviz)
    assert asked.status_code == 200
    assert "Größe" not in asked.text
    action = f"{urlsplit(kuviz['url']).path}/protected"
    assert f'<form method="post" action="{action}">' in asked.text
    wrong = requests.post(f"{kuviz['url']}/protected", data={"password": "open"}, timeout=30)
    assert (wrong.status_code, "Größe" in wrong.text) == (403, False)
    assert f'action="{action}"' in wrong.text
    right = requests.post(f"{kuviz['url']}/protected", data={"password": "open sesame"}, timeout=30)
    assert (right.status_code, right.text) == (200, PAGE)


def test_pages_that_do_not_exist(alice: RailsClient, bob: RailsClient) -> None:
    kuviz = publish(bob)
    elsewhere = kuviz["url"].replace("/bob/", "/alice/")
    for url in (f"{alice.base_url}kuviz/{NOBODY}", elsewhere, kuviz["url"].replace("/bob/", "/nobody/")):
        assert requests.get(url, timeout=30).status_code == 404
    assert requests.get(elsewhere.replace("/user/", "/u/").replace("/alice/", "/bob/"), timeout=30).text == PAGE


def test_a_name_that_is_taken(alice: RailsClient) -> None:
    first = publish(alice)
    again = alice.call("POST", KUVIZS, json={"name": "a page", "data": encoded(PAGE)})
    assert (again.status_code, again.json()) == (400, {"error": "Validation failed: Name has already been taken"})
    replaced = publish(alice, page="<html>2</html>", if_exists="replace", password="p")
    assert (replaced["id"], replaced["created_at"]) == (first["id"], first["created_at"])
    assert replaced["updated_at"] > first["updated_at"]
    assert alice.json("GET", KUVIZS)["visualizations"] == [replaced]
    assert replaced["privacy"] == "password"
    assert publish(alice, "another", if_exists="replace")["id"] != first["id"]


def test_a_kuviz_is_changed(alice: RailsClient) -> None:
    kuviz = publish(alice)
    path = f"{KUVIZS}/{kuviz['id']}"
    renamed = alice.json("PUT", path, json={"name": "better"})
    assert (renamed["id"], renamed["name"], renamed["privacy"]) == (kuviz["id"], "better", "public")
    assert seen(kuviz).text == PAGE
    assert alice.json("PUT", path, json={"data": encoded("<html>new</html>")})["name"] == "better"
    assert seen(kuviz).text == "<html>new</html>"
    assert alice.json("PUT", path, json={"privacy": "password", "password": "p"})["privacy"] == "password"
    assert "<form" in seen(kuviz).text
    assert alice.json("PUT", path, json={"name": "best"})["privacy"] == "password"
    assert alice.json("PUT", path, json={"privacy": "public"})["privacy"] == "public"
    assert seen(kuviz).text == "<html>new</html>"
    assert names(alice) == ["best"]


def test_a_new_name_takes_the_place_of_others_unless_told_otherwise(alice: RailsClient) -> None:
    first, second = publish(alice, "first"), publish(alice, "second")
    path = f"{KUVIZS}/{second['id']}"
    refused = alice.call("PUT", path, json={"name": "first", "if_exists": "fail"})
    assert (refused.status_code, refused.json()) == (400, {"error": "Validation failed: Name has already been taken"})
    assert alice.json("PUT", path, json={"name": "second", "if_exists": "fail"})["name"] == "second"
    alice.json("PUT", path, json={"name": "first"})
    assert [each["id"] for each in alice.json("GET", KUVIZS)["visualizations"]] == [second["id"]]
    assert seen(first).status_code == 404


def test_a_kuviz_is_deleted(alice: RailsClient, bob: RailsClient) -> None:
    kuviz = publish(alice)
    path = f"{KUVIZS}/{kuviz['id']}"
    for method in ("PUT", "DELETE"):
        foreign = bob.call(method, path, json={"name": "mine"})
        assert (foreign.status_code, foreign.content) == (403, b"")
    deleted = alice.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert seen(kuviz).status_code == 404
    missing = alice.call("DELETE", path)
    assert (missing.status_code, missing.content) == (404, b"")
    no_route = alice.call("DELETE", f"{KUVIZS}/nonsense")
    assert (no_route.status_code, no_route.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert alice.call("GET", path).status_code == 404, "one kuviz can't be read"


def test_pages_of_the_list(alice: RailsClient) -> None:
    for name in ("b", "a", "c"):
        publish(alice, name, **({"password": "p"} if name == "a" else {}))
    assert names(alice) == ["c", "a", "b"], "newest first"
    assert names(alice, order="name", order_direction="asc") == ["a", "b", "c"]
    assert names(alice, order="privacy,name", order_direction="desc,asc") == ["b", "c", "a"]
    assert names(alice, order="name", per_page=2, page=2) == ["a"]
    assert names(alice, privacy="password") == names(alice, q="A") == ["a"]
    assert alice.json("GET", KUVIZS, params={"per_page": 1})["total_entries"] == 3
    wrong = alice.call("GET", KUVIZS, params={"order": "size"})
    text = "Wrong 'order' parameter value. Valid values are one of [name, updated_at, privacy]"
    assert (wrong.status_code, wrong.json()) == (400, {"error": text})


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"name": "n"}, "missing data parameter"),
        ({"data": encoded(PAGE)}, "missing name parameter"),
        ({"name": "n", "data": PAGE}, "data parameter must be encoded in base64"),
        ({"name": "n", "data": f"{encoded(PAGE)}\n"}, "data parameter must be encoded in base64"),
        ({"name": "n", "data": encoded("# Title")}, "data parameter must be HTML"),
        ({"name": "n", "data": encoded(PAGE), "privacy": "link"},
         'privacy mode not allowed. Allowed ones are ["public", "password"]'),
    ],
)  # fmt: skip
def test_requests_that_make_no_sense(alice: RailsClient, sent: Json, text: str) -> None:
    answer = alice.call("POST", KUVIZS, json=sent)
    assert (answer.status_code, answer.json()) == (400, {"error": text})
    assert names(alice) == []


def test_changes_that_make_no_sense(alice: RailsClient) -> None:
    path = f"{KUVIZS}/{publish(alice)['id']}"
    answer = alice.call("PUT", path, json={"privacy": "password"})
    text = "Changing privacy to protected should come along with the password param"
    assert (answer.status_code, answer.json()) == (400, {"error": text})
    answer = alice.call("PUT", path, json={"name": "n", "if_exists": "ignore"})
    text = "Wrong 'if_exists' parameter value. Valid values are one of fail, replace"
    assert (answer.status_code, answer.json()) == (400, {"errors": text, "errors_cause": None})


def test_large_pages(alice: RailsClient) -> None:
    large = PAGE + "x" * (7 << 20)
    assert seen(publish(alice, page=large)).text == large
    refused = alice.call("POST", KUVIZS, json={"name": "larger", "data": encoded("x" * (8 << 20))})
    assert (refused.status_code, refused.json()) == (400, {"error": "Visualization over the size limit (10MB)"})


def test_a_body_of_unknown_size_is_refused(alice: RailsClient) -> None:
    answer = alice.call("POST", KUVIZS, data=iter([b"{}"]), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (500, {"error": "The kuviz can not be created"})


def test_who_may_call(alice: RailsClient) -> None:
    sent = {"name": "n", "data": encoded(PAGE)}
    for key in (None, "wrong", "master_of_bob"):
        answer = alice.call("POST", KUVIZS, key, json=sent)
        assert (answer.status_code, answer.content) == (401, b"")
    forbidden = {"errors": "You don't have permission to access that resource", "errors_cause": None}
    for key, headers in (("regular", {}), (None, basic("alice", "master_of_alice"))):
        answer = alice.call("POST", KUVIZS, key, json=sent, headers=headers)
        assert (answer.status_code, answer.json()) == (403, forbidden), "the key has to be a parameter"
    assert names(alice) == []
    assert alice.call("POST", KUVIZS, None, json={**sent, "api_key": alice.api_key}).status_code == 200


def test_the_user_may_be_in_the_host(alice: RailsClient) -> None:
    parts = urlsplit(alice.base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=30)
    kuviz = publish(alice)
    connection.request("GET", f"/kuviz/{kuviz['id']}", headers={"Host": "alice.example.com"})
    assert connection.getresponse().read().decode() == PAGE
    connection.close()
