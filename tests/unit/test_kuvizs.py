"""Kuvizs: where the key goes, what is sent for each change, finding one in the list, and the secrecy of passwords."""

import base64
import json
import logging
import pickle
import uuid
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoException,
    CartoForbiddenException,
    CartoNotFoundException,
    CartoResponseException,
    CartoUsageException,
)
from carto.kuvizs import IF_EXISTS_FAIL, IF_EXISTS_REPLACE, Kuviz, KuvizManager

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

KUVIZS = "https://me.carto.com/api/v4/kuviz/"
ID = "7e1b3c4d-5a6f-4b7c-8d9e-0f1a2b3c4d5e"
HTML = "<html><body>¡Hola!</body></html>"
DATA = base64.b64encode(HTML.encode()).decode()
PASSWORD = "open sesame"


def described(**more):
    """A kuviz as the server describes it."""
    return {"id": ID, "name": "Sales dashboard", "privacy": "public", "created_at": "2020-03-05T09:12:44.011Z",
            "updated_at": "2020-03-05T09:12:44.011Z", "url": f"https://me.carto.com/kuviz/{ID}", **more}


def page(*kuvizs, total=None):
    return {"visualizations": list(kuvizs), "total_entries": len(kuvizs) if total is None else total}


class Plain:
    """A client that somebody wrote, which can be pickled."""

    base_url = "https://me.carto.com/"


@pytest.fixture
def manager(auth_client):
    return KuvizManager(auth_client)


@pytest.fixture
def kuviz(auth_client):
    kuviz = Kuviz(auth_client)
    kuviz.update_from_dict(described())
    return kuviz


def sent(server, index=-1):
    return json.loads(server.calls[index].request.body)


class TestCreating:
    def test_a_public_one(self, manager, server):
        server.post(KUVIZS, json=described())
        kuviz = manager.create(HTML, "Sales dashboard")
        assert sent(server) == {
            "data": DATA, "name": "Sales dashboard", "privacy": "public", "if_exists": IF_EXISTS_FAIL}
        assert (kuviz.id, kuviz.privacy, kuviz.url) == (ID, "public", f"https://me.carto.com/kuviz/{ID}")
        assert kuviz.created_at == datetime(2020, 3, 5, 9, 12, 44, 11000, tzinfo=timezone.utc)

    def test_one_with_a_password_in_place_of_another(self, manager, server):
        server.post(KUVIZS, json=described(privacy="password"))
        kuviz = manager.create(HTML, "Sales dashboard", PASSWORD, IF_EXISTS_REPLACE)
        assert sent(server) == {"data": DATA, "name": "Sales dashboard", "password": PASSWORD, "privacy": "password",
                                "if_exists": "replace"}
        assert (kuviz.privacy, kuviz.password) == ("password", PASSWORD)

    @pytest.mark.parametrize(("arguments", "text"), [
        ({"html": None}, "html must be a text"), ({"html": ""}, "html must be a text, not empty$"),
        ({"html": b"<html>"}, "^html must be a text, not bytes$"), ({"name": ""}, "name must be a text"),
        ({"name": None}, "name must be a text"), ({"password": ""}, "password must be a text, or None"),
        ({"password": 1234}, "password must be a text, or None .* not int$"),
        ({"if_exists": "delete"}, "if_exists is 'fail' or 'replace', not 'delete'"),
    ])
    def test_what_is_no_kuviz_is_refused_before_sending(self, manager, server, arguments, text):
        with pytest.raises(CartoUsageException, match=text):
            manager.create(**{"html": HTML, "name": "Sales", **arguments})
        assert len(server.calls) == 0

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (400, '{"error":"Validation failed: Name has already been taken"}', CartoBadRequestException,
         "^Validation failed: Name has already been taken$"),
        (402, '{"errors":"Public map quota exceeded","errors_cause":null}', CartoResponseException, "quota exceeded"),
        (403, "", CartoForbiddenException, "403"),
    ])
    def test_what_the_server_says_is_raised(self, manager, server, status, body, kind, text):
        server.post(KUVIZS, status=status, body=body)
        with pytest.raises(kind, match=text):
            manager.create(HTML, "Sales dashboard")


    def test_a_manager_of_a_subclass_makes_its_objects(self, auth_client, server):
        class Page(Kuviz):
            pass

        class PageManager(KuvizManager):
            resource_class = Page

        server.post(KUVIZS, json=described())
        assert type(PageManager(auth_client).create(HTML, "Sales")) is Page


class TestReading:
    def test_all_by_pages(self, manager, server):
        server.get(KUVIZS, json=page(described(), total=2))
        server.get(KUVIZS, json=page(described(id="2"), total=2))
        assert [kuviz.id for kuviz in manager.all()] == [ID, "2"]
        assert "page=2" in server.calls[1].request.url

    def test_some(self, manager, server):
        server.get(KUVIZS, json=page(described()))
        assert [str(kuviz) for kuviz in manager.filter(privacy="public", order="name")] == [ID]
        query = parse_qs(urlsplit(server.calls[0].request.url).query)
        assert (query["privacy"], query["order"]) == (["public"], ["name"])

    @pytest.mark.parametrize("kuviz_id", [ID, uuid.UUID(ID)])
    def test_D46_one_is_found_in_the_list_on_whichever_page(self, manager, server, kuviz_id):
        server.get(KUVIZS, json=page(described(id="1"), described(id="2"), total=3))
        server.get(KUVIZS, json=page(described(privacy="password"), total=3))
        kuviz = manager.get(kuviz_id)
        assert (type(kuviz), kuviz.id, kuviz.privacy, kuviz.password) == (Kuviz, ID, "password", None)
        assert len(server.calls) == 2

    def test_no_more_pages_are_read_than_needed(self, manager, server):
        server.get(KUVIZS, json=page(described(), total=2000))
        manager.get(ID)
        assert len(server.calls) == 1

    @pytest.mark.parametrize("kuvizs", [(), (described(id="1"),)])
    def test_one_that_is_not_there(self, manager, server, kuvizs):
        server.get(KUVIZS, json=page(*kuvizs))
        with pytest.raises(CartoNotFoundException, match=f"^there is no kuviz with the id {ID}$"):
            manager.get(ID)
        assert manager.get_or_none(ID) is None

    @pytest.mark.parametrize("kuviz_id", [None, ""])
    def test_there_must_be_an_id(self, manager, server, kuviz_id):
        with pytest.raises(CartoUsageException, match="needs an id"):
            manager.get(kuviz_id)
        assert len(server.calls) == 0

    def test_one_is_read_again(self, kuviz, server):
        server.get(KUVIZS, json=page(described(id="1"), described(name="renamed")))
        assert kuviz.refresh().status_code == 200
        assert kuviz.name == "renamed"

    def test_one_that_was_never_saved_is_not_read_again(self, auth_client, server):
        assert Kuviz(auth_client).refresh() is None
        assert len(server.calls) == 0


class TestChanging:
    @pytest.mark.parametrize(("change", "body"), [
        ({"name": "renamed"}, {"name": "renamed"}),
        ({"data": HTML}, {"data": DATA}),
        ({"password": PASSWORD}, {"password": PASSWORD, "privacy": "password"}),
        ({"password": None}, {"privacy": "public"}),
        ({"name": "renamed", "if_exists": IF_EXISTS_REPLACE}, {"name": "renamed", "if_exists": "replace"}),
        ({}, {}),
    ])
    @pytest.mark.parametrize("privacy", ["public", "password"])
    def test_only_what_was_changed_is_sent(self, auth_client, server, change, body, privacy):
        server.get(KUVIZS, json=page(described(privacy=privacy)))
        server.put(KUVIZS + ID, json=described())
        kuviz = KuvizManager(auth_client).get(ID)
        for name, value in change.items():
            setattr(kuviz, name, value)
        kuviz.save()
        assert sent(server) == {"if_exists": "fail", **body}

    def test_a_second_change_does_not_send_the_first_one_again(self, kuviz, server):
        server.put(KUVIZS + ID, json=described(privacy="password"))
        kuviz.password = PASSWORD
        kuviz.save()
        kuviz.name = "renamed"
        kuviz.save()
        assert sent(server) == {"name": "renamed", "if_exists": "fail"}

    def test_renaming_one_that_replaced_another_deletes_none(self, manager, server):
        server.post(KUVIZS, json=described())
        server.put(KUVIZS + ID, json=described())
        kuviz = manager.create(HTML, "Sales", if_exists=IF_EXISTS_REPLACE)
        kuviz.name = "renamed"
        kuviz.save()
        assert sent(server) == {"name": "renamed", "if_exists": "fail"}

    def test_protection_needs_a_password(self, kuviz, server):
        kuviz.privacy = "password"
        with pytest.raises(CartoUsageException, match="assign one to password"):
            kuviz.save()
        assert len(server.calls) == 0

    @pytest.mark.parametrize("data", [HTML.encode(), bytearray(b"<html>"), 5, "", None])
    def test_a_page_that_is_no_text_is_refused_before_sending(self, kuviz, server, data):
        kuviz.data = data
        with pytest.raises(CartoUsageException, match="data must be the HTML of a page as text"):
            kuviz.save()
        assert len(server.calls) == 0

    def test_a_wrong_answer_to_others_of_the_name_is_refused(self, kuviz, server):
        kuviz.if_exists = "overwrite"
        with pytest.raises(CartoUsageException, match="'overwrite'"):
            kuviz.save()
        assert len(server.calls) == 0

    def test_one_made_by_hand_is_created(self, auth_client, server):
        server.post(KUVIZS, json=described())
        kuviz = Kuviz(auth_client, name="Sales", data=HTML)
        kuviz.save()
        assert sent(server) == {"name": "Sales", "data": DATA, "if_exists": "fail"}
        assert kuviz.id == ID

    def test_one_is_deleted(self, kuviz, server):
        server.delete(KUVIZS + ID, status=204)
        assert kuviz.delete().status_code == 204

    def test_D45_what_the_server_says_of_the_privacy_stays(self, auth_client):
        kuviz = Kuviz(auth_client)
        kuviz.update_from_dict(described(privacy="password", password=None))
        assert kuviz.privacy == "password"


CALLS = {
    "create": ("POST", "", lambda client: KuvizManager(client).create(HTML, "Sales", PASSWORD)),
    "all": ("GET", "", lambda client: KuvizManager(client).all()),
    "get": ("GET", "", lambda client: KuvizManager(client).get(ID)),
    "refresh": ("GET", "", lambda client: Kuviz(client, id=ID).refresh()),
    "save": ("PUT", ID, lambda client: Kuviz(client, id=ID, password=PASSWORD).save()),
    "delete": ("DELETE", ID, lambda client: Kuviz(client, id=ID).delete()),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("place", ["auto", "header", "query"])
def test_the_key_is_where_the_server_looks_for_it(server, name, place):
    method, path, call = CALLS[name]
    server.add(method, KUVIZS + path, json={**described(), **page(described())})
    with APIKeyAuthClient("https://me.carto.com/", "secret-key", api_key_in=place) as client:
        call(client)
    request = server.calls[0].request
    assert parse_qs(urlsplit(request.url).query)["api_key"] == ["secret-key"]
    assert "Authorization" not in request.headers
    assert b"secret-key" not in (request.body or b"")


@pytest.mark.parametrize("name", CALLS)
def test_no_secret_is_in_an_error_or_in_a_log(auth_client, server, caplog, name):
    caplog.set_level(logging.DEBUG)
    method, path, call = CALLS[name]
    server.add(method, KUVIZS + path, status=400, json={"error": f"{PASSWORD} is no good, and neither is secret-key"})
    with pytest.raises(CartoException) as caught:
        call(auth_client)
    if name in ("create", "save"):
        assert str(caught.value) == "*** is no good, and neither is ***"
    assert "secret-key" not in str(caught.value) + repr(caught.value) + caught.value.url + caplog.text
    assert PASSWORD not in caplog.text
    assert f"{method} {KUVIZS}{path}?" in caplog.text


def test_a_password_is_not_shown_and_not_pickled():
    kuviz = Kuviz(Plain(), id=ID, name="Sales", password=PASSWORD)
    assert kuviz.password == PASSWORD
    assert PASSWORD not in repr(kuviz) + str(kuviz)
    assert PASSWORD.encode() not in pickle.dumps(kuviz)
    assert pickle.loads(pickle.dumps(kuviz)).name == "Sales"
