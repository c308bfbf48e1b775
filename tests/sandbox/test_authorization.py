"""Which account and which key a call has, and what PostgreSQL lets that key do."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from carto.sandbox.accounts import account_from_dict, demo_account, load_accounts
from tests.sandbox.api import ACCOUNTS, TIMEOUT_S, Account, basic

DENIED = {"error": ["permission denied for table private"]}
PRIVATE = "select count(*) from private"


@pytest.fixture(scope="module")
def url(limited_sandbox: Sandbox) -> str:
    base_url = limited_sandbox.account("owner").base_url
    Account(base_url, "master_of_owner").rows(
        "create table private (a int); create table shared (id serial, a int);"
        "create table open (a int); grant select on open to publicuser"
    )
    return base_url


def ask(url: str, headers: dict[str, str] | None = None, **arguments: Any) -> requests.Response:
    arguments.setdefault("params", {"q": PRIVATE})
    return requests.get(url + "api/v2/sql", headers=headers, timeout=TIMEOUT_S, **arguments)


@pytest.mark.parametrize(
    ("headers", "params", "status"),
    [
        ({}, {}, 403),
        ({}, {"api_key": ""}, 403),
        ({}, {"api_key": "default_public"}, 403),
        ({}, {"api_key": "master_of_owner"}, 200),
        ({}, {"map_key": "master_of_owner"}, 200),
        ({}, {"api_key": ["master_of_owner", "other"]}, 401),
        ({}, {"api_key": "wrong"}, 401),
        ({}, {"api_key": "master_of_limited"}, 401),
        ({}, {"api_key": "maps_only"}, 403),
        (basic("owner", "master_of_owner"), {}, 200),
        (basic("owner", "master_of_owner"), {"api_key": "wrong"}, 200),
        (basic("owner", "default_public"), {"api_key": "master_of_owner"}, 403),
        (basic("owner", "wrong"), {}, 401),
        (basic("owner", ""), {}, 403),
        (basic("limited", "master_of_owner"), {}, 403),
        (basic("", "master_of_owner"), {}, 403),
        ({"Authorization": "Basic !!"}, {"api_key": "master_of_owner"}, 200),
        ({"Authorization": "Bearer master_of_owner"}, {}, 403),
    ],
)
def test_where_the_key_is_looked_for(url: str, headers: dict[str, str], params: dict[str, Any], status: int) -> None:
    assert ask(url, headers, params={"q": PRIVATE, **params}).status_code == status


def test_the_query_wins_over_the_body(url: str) -> None:
    body = {"q": PRIVATE, "api_key": "master_of_owner"}
    assert requests.post(url + "api/v2/sql", json=body, timeout=TIMEOUT_S).status_code == 200
    public = {"api_key": "default_public"}
    assert requests.post(url + "api/v2/sql", json=body, params=public, timeout=TIMEOUT_S).status_code == 403


def test_messages_of_refusals(url: str) -> None:
    assert ask(url).json() == DENIED
    assert ask(url, params={"q": "select 1", "api_key": "wrong"}).json() == {"error": ["Unauthorized"]}
    assert ask(url, params={"q": "select 1", "api_key": "maps_only"}).json() == {"error": ["forbidden"]}
    assert ask(url, basic("other", "master_of_owner")).json() == {"error": ["permission denied"]}


def test_a_regular_key_may_do_what_its_grants_say(url: str) -> None:
    writer = Account(url, "writer")
    assert writer.value("select count(*) from open") == 0
    assert writer.post("insert into shared (a) values (1)").json()["total_rows"] == 1
    assert writer.value("select count(*) from shared") == 1
    assert writer.post("delete from shared").status_code == 403
    assert writer.post(PRIVATE).json() == DENIED
    assert writer.post("create table mine (a int)").status_code == 403


def test_a_regular_key_keeps_its_grants_on_a_table_made_again(url: str) -> None:
    Account(url, "master_of_owner").rows("drop table shared; create table shared (id serial, a int)")
    assert Account(url, "writer").post("insert into shared (a) values (1)").status_code == 200


def test_anonymous_callers_read_public_tables_only(url: str) -> None:
    assert Account(url, None).value("select count(*) from open") == 0
    assert Account(url, None).post("insert into open values (1)").status_code == 403
    assert Account(url, None).post("drop table open").json() == {"error": ["must be owner of table open"]}


def test_one_account_does_not_see_another(url: str) -> None:
    limited = Account(url.replace("/owner/", "/limited/"), "master_of_limited")
    assert limited.post(PRIVATE).json() == {"error": ['relation "private" does not exist']}


def test_the_user_comes_from_the_path_or_else_from_the_host(url: str) -> None:
    root = url.removesuffix("user/owner/")
    params = {"q": PRIVATE, "api_key": "master_of_owner"}
    assert ask(root, {"Host": "owner.example.com"}, params=params).status_code == 200
    assert ask(url, {"Host": "limited.example.com"}, params=params).status_code == 200
    unknown = ask(root, {"Host": "nobody.example.com"}, params=params)
    assert unknown.status_code == 404
    assert "can't find CARTO user 'nobody'" in unknown.json()["error"][0]
    nameless = ask(root, {"Host": "localhost"}, params=params)
    assert (nameless.status_code, nameless.json()) == (
        400,
        {"error": ["No username found in hostname 'localhost'"]},
    )


def test_a_database_that_refuses_its_role(url: str) -> None:
    locked = Account(url.replace("/owner/", "/locked/"), "master_of_locked")
    for answer in (locked.get("select 1"), locked.get("select 1", format="csv"), locked.copy_to("COPY t TO STDOUT")):
        assert (answer.status_code, answer.json()) == (500, {"error": ["cannot connect to the database"]})


def test_accounts_are_described_in_json(tmp_path: Any) -> None:
    file = tmp_path / "accounts.json"
    file.write_text('{"accounts": [{"name": "a", "keys": [{"type": "master", "token": "m"}]}]}')
    (account,) = load_accounts(file)
    assert account.master_key.token == "m"
    assert account.public_key.token == "default_public"
    assert account.master_key.role != account_from_dict({**ACCOUNTS[0], "name": "b"}).master_key.role


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "JSONDecodeError"),
        ("{}", "the file needs 'accounts'"),
        ("[]", "the file is a JSON object with 'accounts'"),
        ('{"accounts": {"a": {}}}', "an account is a JSON object with 'name' and 'keys'"),
        ('{"accounts": [{"name": "a"}]}', "an account needs 'keys'"),
        ('{"accounts": [{"name": "a", "keys": [{"token": "m"}]}]}', "a key needs 'type'"),
        ('{"accounts": [{"name": "a", "keys": [{"type": "master"}]}]}', "key 'Master' needs 'token'"),
        ('{"accounts": [{"name": "a", "keys": []}]}', "exactly one key of type 'master'"),
        ('{"accounts": [{"name": "a", "keys": [{"type": "boss", "token": "m"}]}]}', "'boss'"),
        ('{"accounts": [{"name": "a", "keys": [{"type": "master", "token": "m"}], "colour": 1}]}', "colour"),
        (
            '{"accounts": [{"name": "a", "keys": [{"type": "master", "token": "m", "tables": {"t": ["read"]}}]}]}',
            "read",
        ),
    ],
)
def test_what_is_wrong_with_a_file_of_accounts(tmp_path: Any, text: str, complaint: str) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="does not describe accounts") as caught:
        load_accounts(file)
    assert complaint in str(caught.value)


def test_no_key_shows_in_the_text_of_an_account() -> None:
    assert "secret-token" not in repr(demo_account("secret-token"))
