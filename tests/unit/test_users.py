"""Users: those of an organization, and the account's own."""

import json
import pickle

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoException,
    CartoInvalidResponseException,
    CartoNotFoundException,
    CartoServerException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.fields import CharField
from carto.users import User, UserManager
from tests.unit.viz_objects import OWNER

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

ROOT = "https://acme.carto.com/user/me/"
USERS = ROOT + "api/v1/organization/acme/users/"
LIST = ROOT + "api/v2/organization/acme/users/"
BOB = {"username": "bob", "email": "bob@example.com", "org_admin": False, "viewer": False, "table_count": 3,
       "quota_in_bytes": 100, "avatar_url": "//example.com/bob.png", "api_key": "bobs-own-key"}
ANN = {"username": "ann", "email": "ann@example.com", "org_admin": True, "viewer": False, "table_count": 5}


class Plain:
    """A client that somebody wrote, which can be pickled."""

    base_url = "https://me.carto.com/"


@pytest.fixture
def organization():
    with APIKeyAuthClient(ROOT, "secret-key", organization="acme", retries=0) as client:
        yield client


@pytest.fixture
def users(organization):
    return UserManager(organization)


def sent(server):
    return json.loads(server.calls[-1].request.body)


class TestReading:
    def test_one_of_an_organization(self, users, server):
        server.get(USERS + "bob", json=BOB)
        bob = users.get("bob")
        assert (bob.username, bob.get_id(), str(bob), bob.table_count) == ("bob", "bob", "bob", 3)

    def test_D38_the_own_one_without_an_organization(self, auth_client, server):
        server.get("https://me.carto.com/api/v1/users/me", json=OWNER)
        assert UserManager(auth_client).get("me").quota_in_bytes == 104857600

    def test_names_are_percent_encoded_once(self, server):
        client = APIKeyAuthClient(ROOT, "secret-key", organization="a b/c", retries=0)
        server.get(ROOT + "api/v1/organization/a%20b%2Fc/users/%C3%B1%20", json=BOB)
        assert UserManager(client).get("ñ ").username == "bob"

    def test_one_is_read_again(self, organization, server):
        server.get(USERS + "bob", json={**BOB, "quota_in_bytes": 200})
        bob = User(organization, username="bob")
        bob.refresh()
        assert bob.quota_in_bytes == 200

    def test_the_other_keys_of_an_organization_are_not_kept(self, users, server):
        server.get(USERS + "bob", json=BOB)
        assert "bobs-own-key" not in str(vars(users.get("bob")))


class TestListing:
    def test_those_of_an_organization_come_as_a_bare_array(self, users, server):
        server.get(LIST, json=[BOB, ANN])
        assert [user.username for user in users.all()] == ["bob", "ann"]
        assert len(server.calls) == 1
        assert "page" not in server.calls[0].request.url

    @pytest.mark.parametrize(("conditions", "found"), [
        ({"org_admin": True}, ["ann"]), ({"viewer": False, "username": "bob"}, ["bob"]), ({"viewer": True}, [])])
    def test_conditions_are_compared_here(self, users, server, conditions, found):
        server.get(LIST, json=[BOB, ANN])
        assert [user.username for user in users.filter(**conditions)] == found

    def test_a_subclass_may_have_more_to_be_found_by(self, organization, server):
        class Colleague(User):
            colour = CharField()

        class ColleagueManager(UserManager):
            resource_class = Colleague

        server.get(LIST, json=[{**BOB, "colour": "red"}, ANN])
        (found,) = ColleagueManager(organization).filter(colour="red")
        assert (type(found), found.username, found.colour) == (Colleague, "bob", "red")

    def test_unknown_conditions_are_refused(self, users, server):
        with pytest.raises(CartoUsageException, match="users have no colour, size to be found by"):
            users.filter(size=1, colour=2)
        assert len(server.calls) == 0

    def test_a_limit(self, users, server):
        server.get(LIST, json=[BOB, ANN])
        assert [user.username for user in users.iterate(limit=1)] == ["bob"]

    @pytest.mark.parametrize("list_them", [UserManager.all, UserManager.filter, UserManager.iterate])
    def test_there_is_no_list_without_an_organization(self, auth_client, server, list_them):
        with pytest.raises(CartoException, match="make the client with organization="):
            list_them(UserManager(auth_client))
        assert len(server.calls) == 0

    def test_another_answer_is_refused(self, users, server):
        server.get(LIST, json={"users": []})
        with pytest.raises(CartoInvalidResponseException, match="no list of users"):
            users.all()

    def test_only_admins_may(self, users, server):
        server.get(LIST, status=401, json={})
        with pytest.raises(CartoUnauthorizedException):
            users.all()


class TestChanging:
    def test_one_is_created(self, users, server):
        server.post(USERS, json={"username": "bob"})
        user = users.create(username="bob", email="bob@example.com", password="open sesame", viewer=False)
        assert sent(server) == {
            "username": "bob", "email": "bob@example.com", "password": "open sesame", "viewer": False}
        assert user.username == "bob"

    def test_everything_that_the_server_takes_for_a_new_one_is_sent(self, users, server):
        server.post(USERS, json={"username": "bob"})
        wanted = {"username": "bob", "email": "bob@example.com", "password": "open sesame", "quota_in_bytes": 9,
                  "viewer": True, "org_admin": False, "force_password_change": True, "soft_geocoding_limit": True,
                  "soft_here_isolines_limit": False, "soft_twitter_datasource_limit": True,
                  "soft_mapzen_routing_limit": True}
        users.create(**wanted, table_count=3)
        assert sent(server) == wanted

    def test_one_is_changed(self, organization, server):
        server.put(USERS + "bob", json={"username": "bob"})
        User(organization, username="bob", quota_in_bytes=1).save()
        assert sent(server) == {"username": "bob", "quota_in_bytes": 1}

    def test_only_what_was_changed_is_sent(self, users, server):
        server.get(USERS + "bob", json=BOB)
        server.put(USERS + "bob", json={**BOB, "quota_in_bytes": 7})
        bob = users.get("bob")
        bob.quota_in_bytes = 7
        bob.save()
        assert sent(server) == {"quota_in_bytes": 7}
        bob.email = "robert@example.com"
        bob.save()
        assert sent(server) == {"email": "robert@example.com"}

    def test_a_change_that_was_refused_is_still_one(self, users, server):
        server.get(USERS + "bob", json=BOB)
        server.put(USERS + "bob", status=410, body='["Quota is too large"]')
        bob = users.get("bob")
        bob.quota_in_bytes = 7
        for _ in range(2):
            with pytest.raises(CartoException, match="Quota is too large"):
                bob.save()
            assert sent(server) == {"quota_in_bytes": 7}

    @pytest.mark.parametrize("body", ["User deleted", '"User deleted"', ""])
    @pytest.mark.parametrize(("options", "query"), [({}, ""), ({"force": True}, "force=true")])
    def test_D74_one_is_deleted_and_the_server_says_so_in_plain_text(self, organization, server, body, options, query):
        server.delete(USERS + "bob", body=body, content_type="application/json")
        assert User(organization, username="bob").delete(**options).status_code == 200
        assert ("force=true" in server.calls[0].request.url) is bool(query)

    def test_nobody_is_deleted_without_a_name(self, organization, server):
        assert User(organization).delete() is None
        assert len(server.calls) == 0


@pytest.mark.parametrize(("status", "body", "kind", "text"), [
    (401, "{}", CartoUnauthorizedException, "401"),
    (401, '{"errors": ["You do not have permissions"]}', CartoUnauthorizedException, "permissions"),
    (401, "Can't delete user. Has shared entities", CartoUnauthorizedException, "Has shared entities"),
    (404, "No user with username 'x' in 'acme'", CartoNotFoundException, "No user with username 'x' in 'acme'"),
    (410, '["Username has already been taken", "Password can\'t be blank"]', CartoException,
     "^Username has already been taken; Password can't be blank$"),
    (410, "No update params provided", CartoException, "No update params provided"),
    (500, "User couldn't be deleted", CartoServerException, "couldn't be deleted"),
])
@pytest.mark.parametrize(("method", "call"), [
    ("GET", lambda client: UserManager(client).get("x")),
    ("PUT", lambda client: User(client, username="x", viewer=True).save()),
    ("DELETE", lambda client: User(client, username="x").delete()),
], ids=["get", "save", "delete"])
def test_D80_what_the_server_says_is_raised(organization, server, status, body, kind, text, method, call):
    server.add(method, USERS + "x", status=status, body=body, content_type="application/json")
    with pytest.raises(kind, match=text) as caught:
        call(organization)
    assert caught.value.status_code == status


def test_a_password_is_not_shown_and_not_pickled():
    user = User(Plain(), username="bob", password="open sesame")
    assert user.password == "open sesame"
    assert "sesame" not in repr(user) + str(user)
    assert b"sesame" not in pickle.dumps(user)
    assert pickle.loads(pickle.dumps(user)).username == "bob"
