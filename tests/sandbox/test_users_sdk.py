"""The SDK's users against the sandbox: an organization's owner, admins and members, and an account of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoException,
    CartoNotFoundException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.sandbox import Sandbox
from carto.users import User, UserManager
from tests.conftest import started_or_skipped

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")


def member(name: str, org_role: str) -> dict[str, object]:
    return {"name": name, "organization": "acme", "org_role": org_role, "quota_bytes": 1 << 30,
            "keys": [{"type": "master", "token": f"the-key-of-{name}"}]}


@pytest.fixture(scope="module")
def acme() -> Iterator[Sandbox]:
    """Serve an organization of three."""
    accounts = [member("olga", "owner"), member("adam", "admin"), member("bob", "member")]
    with started_or_skipped(Sandbox(accounts=accounts)) as running:
        yield running


@pytest.fixture(scope="module")
def users_of(acme: Sandbox) -> Iterator[Callable[[str], UserManager]]:
    """Give a function that makes the manager of one of them."""
    clients = {name: APIKeyAuthClient(account.base_url, account.api_key, account.organization)
               for name, account in acme.accounts.items()}
    yield lambda name: UserManager(clients[name])
    for client in clients.values():
        client.close()


@pytest.fixture
def users(users_of: Callable[[str], UserManager]) -> UserManager:
    """Give the owner's."""
    return users_of("olga")


@pytest.fixture
def carol(users: UserManager) -> Iterator[User]:
    """Give a user whom the owner has just made."""
    name = f"carol-{uuid.uuid4().hex[:8]}"
    yield users.create(username=name, email=f"{name}@example.com", password="open sesame", quota_in_bytes=10 << 20)
    left = users.get_or_none(name)
    if left is not None:
        left.delete(force=True)


def test_users_are_listed(users: UserManager) -> None:
    assert {user.username for user in users.all()} == {"olga", "adam", "bob"}
    assert sorted(str(user) for user in users.filter(org_admin=True)) == ["adam", "olga"]
    assert [user.username for user in users.filter(username="bob", viewer=False)] == ["bob"]


def test_one_is_read(users: UserManager) -> None:
    bob = users.get("bob")
    assert (bob.username, bob.org_user, bob.org_admin, bob.quota_in_bytes) == ("bob", True, False, 1 << 30)
    assert bob.email.endswith("@example.com")
    bob.refresh()
    assert bob.table_count == 0


def test_one_is_made_changed_and_deleted(users: UserManager, carol: User) -> None:
    found = users.get(carol.username)
    assert (found.email, found.quota_in_bytes, found.org_admin) == (f"{carol.username}@example.com", 10 << 20, False)
    found.quota_in_bytes = 20 << 20
    found.org_admin = True
    found.save()
    found.email = "carol@example.org"
    found.save()
    again = users.get(carol.username)
    assert (again.quota_in_bytes, again.org_admin, again.email) == (20 << 20, True, "carol@example.org")
    assert again.delete().status_code == 200
    assert users.get_or_none(carol.username) is None


def test_an_admin_changes_a_member_and_needs_not_be_the_owner(
    users_of: Callable[[str], UserManager], carol: User
) -> None:
    found = users_of("adam").get(carol.username)
    found.viewer = True
    found.save()
    assert users_of("olga").get(carol.username).viewer is True


def test_what_the_server_says_in_plain_text_and_in_bare_arrays(users: UserManager, carol: User) -> None:
    with pytest.raises(CartoNotFoundException, match="No user with username 'nobody' in 'acme'"):
        users.get("nobody")
    with pytest.raises(CartoException, match="Username has already been taken; Email can't be blank") as caught:
        users.create(username=carol.username, password="open sesame")
    assert caught.value.status_code == 410
    with pytest.raises(CartoException, match="No update params provided"):
        users.get(carol.username).save()
    with pytest.raises(CartoUnauthorizedException, match="Can't delete org owner"):
        users.get("olga").delete()


def test_who_may_not(users_of: Callable[[str], UserManager]) -> None:
    with pytest.raises(CartoUnauthorizedException):
        users_of("bob").all()
    with pytest.raises(CartoUnauthorizedException, match="You do not have permissions to edit that user"):
        User(users_of("adam").client, username="olga", viewer=True).save()


def test_another_organization_is_not_theirs(acme: Sandbox) -> None:
    with APIKeyAuthClient(acme.base_url, acme.api_key, "other") as client, pytest.raises(CartoUnauthorizedException):
        UserManager(client).all()


def test_an_account_without_an_organization(sandbox: Sandbox) -> None:
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        me = UserManager(client).get("me")
        assert (me.username, me.base_url) == (client.username, sandbox.base_url.removesuffix("/"))
        with pytest.raises(CartoUsageException, match="organization="):
            UserManager(client).all()
