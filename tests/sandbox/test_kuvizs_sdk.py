"""The SDK's kuvizs against the sandbox: publish, replace, protect, find, delete, and what visitors then see."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import requests

from carto.api_keys import APIKeyManager
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoNotFoundException,
    CartoUsageException,
)
from carto.kuvizs import IF_EXISTS_REPLACE, Kuviz, KuvizManager
from carto.sandbox import Sandbox

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

PASSWORD = "open sesame"


def html(text: str) -> str:
    return f"<html><head><title>ñ</title></head><body>{text}</body></html>"


@pytest.fixture
def manager(client: APIKeyAuthClient) -> Iterator[KuvizManager]:
    """Give the account, which has no kuvizs again after the test."""
    manager = KuvizManager(client)
    yield manager
    for kuviz in manager.all():
        kuviz.delete()


def seen(kuviz: Kuviz) -> str:
    """Read a page as visitors do, without any key."""
    answer = requests.get(kuviz.url, timeout=10)
    answer.raise_for_status()
    return answer.text


def unlocked(kuviz: Kuviz, password: str) -> str:
    return requests.post(f"{kuviz.url}/protected", data={"password": password}, timeout=10).text


def test_a_page_is_published(manager: KuvizManager) -> None:
    kuviz = manager.create(html("¡Hola!"), "Sales dashboard")
    assert (kuviz.name, kuviz.privacy) == ("Sales dashboard", "public")
    assert kuviz.created_at.tzinfo is not None
    assert kuviz.url.endswith(f"/kuviz/{kuviz.id}")
    assert seen(kuviz) == html("¡Hola!")


def test_a_page_is_protected_and_opened_again(manager: KuvizManager) -> None:
    kuviz = manager.create(html("the numbers"), "Sales", password=PASSWORD)
    assert kuviz.privacy == "password"
    assert "the numbers" not in seen(kuviz)
    assert "the numbers" not in unlocked(kuviz, "wrong")
    assert unlocked(kuviz, PASSWORD) == html("the numbers")
    with pytest.raises(CartoUsageException, match="not int"):
        kuviz.password = 1234
    kuviz.save()
    assert unlocked(kuviz, PASSWORD) == html("the numbers")
    kuviz.password = None
    kuviz.save()
    assert (kuviz.privacy, seen(kuviz)) == ("public", html("the numbers"))


def test_one_that_was_read_is_changed_and_stays_protected(manager: KuvizManager) -> None:
    kuviz = manager.get(manager.create(html("before"), "Sales", password=PASSWORD).id)
    kuviz.name = "Sales 2020"
    kuviz.save()
    kuviz.data = html("after")
    kuviz.save()
    found = manager.get(kuviz.id)
    assert (found.name, found.privacy, found.password) == ("Sales 2020", "password", None)
    assert unlocked(found, PASSWORD) == html("after")
    found.password = "another"
    found.save()
    assert unlocked(found, PASSWORD) != html("after")
    assert unlocked(found, "another") == html("after")


def test_one_is_put_in_the_place_of_another(manager: KuvizManager) -> None:
    first = manager.create(html("first"), "Sales")
    with pytest.raises(CartoBadRequestException, match="Name has already been taken"):
        manager.create(html("second"), "Sales")
    second = manager.create(html("second"), "Sales", if_exists=IF_EXISTS_REPLACE)
    assert second.id == first.id
    assert [kuviz.id for kuviz in manager.all()] == [first.id]
    assert seen(first) == html("second")


def test_a_new_name_deletes_others_only_when_it_is_to(manager: KuvizManager) -> None:
    taken, kuviz = manager.create(html("taken"), "Sales"), manager.create(html("mine"), "Purchases")
    kuviz.name = "Sales"
    with pytest.raises(CartoBadRequestException, match="Name has already been taken"):
        kuviz.save()
    assert seen(taken) == html("taken")
    kuviz.if_exists = IF_EXISTS_REPLACE
    kuviz.save()
    assert [(each.id, each.name) for each in manager.all()] == [(kuviz.id, "Sales")]


def test_they_are_listed_and_found(manager: KuvizManager) -> None:
    wanted = {"a": None, "b": PASSWORD, "c": None}
    made = [manager.create(html(name), name, password) for name, password in wanted.items()]
    assert {kuviz.id for kuviz in manager.all()} == {kuviz.id for kuviz in made}
    assert [kuviz.name for kuviz in manager.filter(privacy="password")] == ["b"]
    assert [kuviz.name for kuviz in manager.iterate(page_size=1, order="name", order_direction="asc")] == [
        "a", "b", "c"]
    assert manager.get(made[1].id).name == "b"
    made[1].refresh()
    assert made[1].privacy == "password"
    with pytest.raises(CartoNotFoundException, match="no kuviz with the id"):
        manager.get(str(uuid.uuid4()))


def test_one_is_deleted(manager: KuvizManager) -> None:
    kuviz = manager.create(html("short"), "short")
    kuviz.delete()
    assert requests.get(kuviz.url, timeout=10).status_code == 404
    assert manager.get_or_none(kuviz.id) is None
    with pytest.raises(CartoNotFoundException):
        kuviz.delete()
    with pytest.raises(CartoNotFoundException):
        kuviz.refresh()


def test_what_the_server_refuses(sandbox: Sandbox, manager: KuvizManager) -> None:
    with pytest.raises(CartoBadRequestException, match="data parameter must be HTML"):
        manager.create("plain words", "Sales")
    keys = APIKeyManager(manager.client)
    key = keys.create(f"reporting {uuid.uuid4()}")
    with APIKeyAuthClient(sandbox.base_url, key.token) as limited, pytest.raises(CartoForbiddenException):
        KuvizManager(limited).all()
    key.delete()
