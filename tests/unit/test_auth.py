"""The auth clients: their shape, where they send to, and where the key stands."""

import base64
import copy
import inspect
import json
import pickle
import warnings
from types import SimpleNamespace
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pyrestcli.auth
import pytest
import requests
import responses
from pyrestcli.auth import BaseAuthClient

from carto import __version__
from carto._http import timeouts
from carto._http.timeouts import UNSET
from carto.auth import (
    APIKeyAuthClient,
    AuthAPIClient,
    NoAuthClient,
    NonVerifiedAPIKeyAuthClient,
    _BaseUrlChecker,
    _ClientIdentifier,
    _UsernameGetter,
    data_of,
    send_with,
)
from carto.exceptions import (
    CartoConnectionException,
    CartoException,
    CartoInvalidResponseException,
    CartoLimitException,
    CartoNotFoundException,
    CartoResponseException,
    CartoServerException,
    CartoUsageException,
)
from carto.maps import NamedMapManager
from carto.sql import SQLClient

KEY = "secret key/+&"
CLOUD = "https://me.carto.com/"
UNCERTAIN = "https://gis.example.org/"


def basic(user, key):
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def query_of(call):
    return parse_qs(urlsplit(call.request.url).query)


@pytest.fixture
def server():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as running:
        for base in (CLOUD, UNCERTAIN):
            for method in ("GET", "POST", "PUT", "DELETE"):
                running.add(method, f"{base}api/v2/sql", json={})
        yield running


# --- the shape that carto-python had


@pytest.mark.parametrize(("cls", "old", "new"), [
    (APIKeyAuthClient, ["base_url", "api_key", "organization", "session", "client_id", "user_agent"],
     ["timeout", "retries", "api_key_in", "username"]),
    (AuthAPIClient, ["base_url", "api_key", "organization", "session"], ["timeout", "retries", "username"]),
    (NoAuthClient, ["base_url", "session"], ["timeout", "retries", "username"]),
])
def test_constructors_take_the_old_arguments_in_order_and_the_new_by_name(cls, old, new):
    parameters = inspect.signature(cls).parameters
    positional = [name for name, it in parameters.items() if it.kind is it.POSITIONAL_OR_KEYWORD]
    assert positional == old
    assert [parameters[name].default for name in old if name not in ("base_url", "api_key")] == (
        [None] * (len(old) - len({"base_url", "api_key"} & set(old))))
    assert {name for name in new if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY} == set(new)


def test_the_non_verified_client_takes_what_the_verified_one_takes():
    client = NonVerifiedAPIKeyAuthClient(CLOUD, KEY, "org", None, client_id="cid", user_agent="ua", retries=0,
                                         timeout=5, username="you", api_key_in="query")
    assert (client.organization, client.client_id, client.user_agent) == ("org", "cid", "ua")
    assert (client.username, client.api_key_in) == ("you", "query")


def test_send_and_prepare_send_keep_their_signatures():
    for cls in (APIKeyAuthClient, AuthAPIClient, NoAuthClient, NonVerifiedAPIKeyAuthClient):
        assert list(inspect.signature(cls.send).parameters)[:3] == ["self", "relative_path", "http_method"]
        assert list(inspect.signature(cls.prepare_send).parameters) == ["self", "http_method", "requests_args"]


def test_the_bases_are_those_that_callers_test_for():
    assert issubclass(APIKeyAuthClient, (_UsernameGetter, _BaseUrlChecker, _ClientIdentifier))
    assert issubclass(APIKeyAuthClient, BaseAuthClient)
    assert issubclass(NonVerifiedAPIKeyAuthClient, APIKeyAuthClient)
    assert issubclass(AuthAPIClient, pyrestcli.auth.BasicAuthClient)
    assert issubclass(NoAuthClient, pyrestcli.auth.NoAuthClient)


def test_attributes():
    session = requests.Session()
    client = APIKeyAuthClient(CLOUD, KEY, "org", session)
    assert (client.base_url, client.api_key, client.organization, client.username) == (CLOUD, KEY, "org", "me")
    assert client.user_agent == f"carto-python-sdk/{__version__}"
    assert client.client_id == f"cps-{__version__}"
    assert client.session is session
    anonymous = NoAuthClient(CLOUD)
    assert (anonymous.api_key, anonymous.organization, anonymous.username) == (None, None, "me")
    assert isinstance(anonymous.session, requests.Session)


def test_the_mixins_work_in_a_class_of_the_callers_own():
    class OnPremises(_BaseUrlChecker, BaseAuthClient):
        def __init__(self, base_url, session=None):
            super().__init__(self.check_base_url(base_url), session)

    assert OnPremises("https://gis.example.org").base_url == "https://gis.example.org/"

    class Identified(_UsernameGetter, _ClientIdentifier):
        pass

    assert Identified().get_user_name("https://you.carto.com") == "you"
    assert Identified().get_user_agent("mine") == f"mine/{__version__}"
    assert Identified().get_client_identifier("x") == f"x-{__version__}"
    assert __version__ == Identified.CARTO_VERSION


def test_the_hooks_of_a_subclass_are_called():
    class Mine(APIKeyAuthClient):
        def check_base_url(self, base_url):
            return base_url + "checked/"

        def get_user_name(self, base_url):
            return f"user of {base_url}"

    client = Mine("https://h.example.org/", KEY)
    assert client.base_url == "https://h.example.org/checked/"
    assert client.username == "user of https://h.example.org/checked/"


# --- base URLs


@pytest.mark.parametrize(("pasted", "base_url", "username", "place"), [
    ("https://me.carto.com", "https://me.carto.com/", "me", "header"),
    ("https://me.carto.com/", "https://me.carto.com/", "me", "header"),
    ("  https://me.carto.com/  ", "https://me.carto.com/", "me", "header"),
    ("HTTPS://me.carto.com/", "https://me.carto.com/", "me", "header"),
    ("me.carto.com", "https://me.carto.com/", "me", "header"),
    ("https://www.user2.carto.com", "https://www.user2.carto.com/", "user2", "header"),
    ("https://me.cartodb.com", "https://me.cartodb.com/", "me", "header"),
    ("https://me.carto.com/me", "https://me.carto.com/", "me", "header"),
    ("https://me.carto.com/dashboard/tables?q=1#top", "https://me.carto.com/", "me", "header"),
    ("https://me.carto.com/api/v2/sql", "https://me.carto.com/", "me", "header"),
    ("https://org.carto.com/u/me", "https://org.carto.com/user/me/", "me", "header"),
    ("https://org.carto.com/u/me/dashboard", "https://org.carto.com/user/me/", "me", "header"),
    ("https://org.carto.com/user/me/api/v2/sql", "https://org.carto.com/user/me/", "me", "header"),
    ("https://carto.com/user/user1/a/b/c", "https://carto.com/user/user1/", "user1", "header"),
    ("https://www.carto.com/user/user2", "https://www.carto.com/user/user2/", "user2", "header"),
    ("https://org.carto.com/user/me", "https://org.carto.com/user/me/", "me", "header"),
    ("https://gis.example.org/maps/user/bob/", "https://gis.example.org/maps/user/bob/", "bob", "header"),
    ("https://gis.example.org:8443/user/bob", "https://gis.example.org:8443/user/bob/", "bob", "header"),
    ("https://bob.example.org/", "https://bob.example.org/", "bob", "query"),
    ("https://192.0.2.7/user/bob", "https://192.0.2.7/user/bob/", "bob", "header"),
    ("https://[2001:db8::1]:8443/user/bob", "https://[2001:db8::1]:8443/user/bob/", "bob", "header"),
    ("http://localhost:8080/user/demo/", "http://localhost:8080/user/demo/", "demo", "header"),
    ("https://h/user/b%C3%B6b/", "https://h/user/b%C3%B6b/", "böb", "header"),
])
def test_accepted_base_urls(pasted, base_url, username, place):
    client = APIKeyAuthClient(pasted, KEY)
    assert (client.base_url, client.username, client.api_key_in) == (base_url, username, place)
    assert NoAuthClient(pasted).base_url == base_url


@pytest.mark.parametrize("base_url", [
    "https://wrongurl", "https://127.0.0.1/", "http://127.0.0.1:8080", "http://localhost:8080/", "https://[::1]/",
])
def test_a_host_that_names_no_user_needs_one(base_url):
    with pytest.raises(CartoException, match=r"no user name .*/user/USER/.*username="):
        APIKeyAuthClient(base_url.replace("http:", "https:"), KEY)
    client = APIKeyAuthClient(base_url.replace("http:", "https:"), KEY, username="demo")
    assert (client.username, client.api_key_in) == ("demo", "header")
    assert NoAuthClient(base_url).username is None


@pytest.mark.parametrize("base_url", [
    "", "   ", None, 7, "ftp://me.carto.com/", "file:///etc/passwd", "https://", "https:///user/me",
    "https://[::1/user/me", "https://me.carto.com:port/", "https://me.carto.com:99999/", "https://me.carto.com:0/",
    "https://evil.example\\@me.carto.com/", "javascript:alert(1)",
])
@pytest.mark.parametrize("cls", [NoAuthClient, lambda url: APIKeyAuthClient(url, KEY),
                                 lambda url: AuthAPIClient(url, KEY)])
def test_refused_base_urls(base_url, cls):
    with pytest.raises(CartoUsageException):
        cls(base_url)


def test_a_password_in_the_base_url_is_refused_and_not_shown():
    with pytest.raises(CartoUsageException) as caught:
        NoAuthClient("https://me:hid@den@me.carto.com/")
    assert "hid" not in str(caught.value)
    assert "den@" not in str(caught.value)


def test_a_key_pasted_into_the_base_url_is_not_shown():
    with pytest.raises(CartoUsageException) as caught:
        APIKeyAuthClient("https://localhost/?api_key=SECRET", KEY)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", None, 5, b"bytes", "with\nline break", "with\0nul"])
def test_refused_keys(key):
    for cls in (APIKeyAuthClient, AuthAPIClient):
        with pytest.raises(CartoUsageException, match="api_key") as caught:
            cls(CLOUD, key)
        assert "line break\n" not in str(caught.value)


@pytest.mark.parametrize("options", [
    {"retries": -1}, {"retries": 1.5}, {"retries": "2"}, {"api_key_in": "body"}, {"timeout": "5"}, {"timeout": 0},
    {"timeout": -1}, {"timeout": (1, 2, 3)}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"timeout": True},
])
def test_refused_options(options):
    with pytest.raises(CartoUsageException, match=next(iter(options))):
        APIKeyAuthClient(CLOUD, KEY, **options)


def test_a_usage_error_is_a_value_error_too():
    with pytest.raises(ValueError, match="retries"):
        NoAuthClient(CLOUD, retries=-1)


# --- the warning about a key in the open


def test_an_unencrypted_key_is_warned_of_where_the_client_is_made():
    with pytest.warns(UserWarning, match="unencrypted") as caught:
        APIKeyAuthClient("http://me.carto.com/", KEY)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("base_url", [
    "http://localhost/user/a", "http://127.0.0.1/user/a", "http://127.9.9.9/user/a", "http://[::1]:80/user/a",
    "http://demo.localhost/", "https://me.carto.com/",
])
def test_no_warning_for_loopback_nor_https(base_url):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        APIKeyAuthClient(base_url, KEY)


def test_no_warning_without_a_key(server):
    server.add("POST", "http://me.carto.com/api/v2/sql", json={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = NoAuthClient("http://me.carto.com/")
        for method in ("get", "GET", "post"):
            if method == "post":
                client.send("api/v2/sql", method)


# --- where the key stands


def test_the_key_goes_into_the_header_where_the_user_is_certain(server):
    APIKeyAuthClient(CLOUD, KEY).send("api/v2/sql", "GET")
    assert server.calls[0].request.headers["Authorization"] == basic("me", KEY)
    assert set(query_of(server.calls[0])) == {"client"}


def test_the_key_goes_into_the_query_where_it_is_not(server):
    APIKeyAuthClient(UNCERTAIN, KEY).send("api/v2/sql", "GET")
    assert "Authorization" not in server.calls[0].request.headers
    assert query_of(server.calls[0]) == {"client": [f"cps-{__version__}"], "api_key": [KEY]}


def test_the_place_can_be_chosen_for_a_client_and_for_a_call(server):
    client = APIKeyAuthClient(CLOUD, KEY, api_key_in="query")
    client.send("api/v2/sql", "get")
    client.send("api/v2/sql", "get", api_key_in="header")
    APIKeyAuthClient(UNCERTAIN, KEY, api_key_in="header").send("api/v2/sql", "get")
    authorizations = [call.request.headers.get("Authorization") for call in server.calls]
    assert authorizations == [None, basic("me", KEY), basic("gis", KEY)]
    assert ["api_key" in query_of(call) for call in server.calls] == [True, False, False]


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize("method", ["post", "PUT"])
def test_the_key_is_never_in_a_json_body(server, place, method):
    body = {"layergroup": {"layers": []}, "name": "map"}
    APIKeyAuthClient(CLOUD, KEY, api_key_in=place).send("api/v2/sql", method, json=body)
    assert json.loads(server.calls[0].request.body) == {"layergroup": {"layers": []}, "name": "map"}
    assert body == {"layergroup": {"layers": []}, "name": "map"}


def test_post_without_json(server):
    response = APIKeyAuthClient(CLOUD, KEY).send("api/v2/sql", "post", json=None)
    assert response.status_code == 200
    assert server.calls[0].request.body is None


@pytest.mark.parametrize("cls", [APIKeyAuthClient, AuthAPIClient, NonVerifiedAPIKeyAuthClient])
def test_prepare_send_gives_copies(cls):
    given = {"params": {"q": "1"}, "headers": {"X": "y"}, "json": {"a": 1}, "data": {"b": "2"}}
    before = copy.deepcopy(given)
    method, args = cls(CLOUD, KEY).prepare_send("PoSt", **given)
    assert method == "post"
    assert given == before
    assert args["params"] is not given["params"]
    assert args["headers"] is not given["headers"]
    assert args["params"]["q"] == "1"
    assert args["headers"]["X"] == "y"
    assert (args["json"], args["data"]) == (before["json"], before["data"])


@pytest.mark.parametrize(("params", "expected"), [
    (None, {}), ({}, {}), ({"a": ["1", "2"]}, {"a": ["1", "2"]}), ([("a", "1"), ("a", "2")], {"a": ["1", "2"]}),
    ("a=1&a=2", {"a": ["1", "2"]}), (b"a=1", {"a": ["1"]}), ("", {}), ((("a", "ö"),), {"a": ["ö"]}),
    ({"a": None, "b": 7}, {"b": ["7"]}),
])
@pytest.mark.parametrize("place", ["header", "query"])
def test_params_of_every_form_are_joined(server, params, expected, place):
    APIKeyAuthClient(CLOUD, KEY, api_key_in=place).send("api/v2/sql", "get", params=params)
    sent = query_of(server.calls[0])
    assert sent.pop("client") == [f"cps-{__version__}"]
    assert sent.pop("api_key", None) == ([KEY] if place == "query" else None)
    assert sent == expected


def test_a_header_of_the_call_goes_before_the_clients(server):
    APIKeyAuthClient(CLOUD, KEY, user_agent="mine").send("api/v2/sql", "get", headers={"X-Y": "z"})
    APIKeyAuthClient(CLOUD, KEY, user_agent="mine").send("api/v2/sql", "get", headers={"user-agent": "other"})
    assert [call.request.headers["User-Agent"] for call in server.calls] == ["mine", "other"]
    assert server.calls[0].request.headers["X-Y"] == "z"


def test_credentials_of_the_caller_take_the_header_and_the_key_goes_into_the_query(server):
    APIKeyAuthClient(CLOUD, KEY).send("api/v2/sql", "get", auth=("proxy", "password"))
    assert server.calls[0].request.headers["Authorization"] == basic("proxy", "password")
    assert query_of(server.calls[0])["api_key"] == [KEY]


def test_credentials_of_the_session_take_the_header_unless_it_is_chosen(server):
    gate = requests.Session()
    gate.headers["Authorization"] = "Bearer gate"
    for options in ({}, {"username": "you"}, {"api_key_in": "header"}):
        APIKeyAuthClient(CLOUD, KEY, session=gate, **options).send("api/v2/sql", "get")
    APIKeyAuthClient(CLOUD, KEY, session=gate).send("api/v2/sql", "get", api_key_in="header")
    assert [call.request.headers["Authorization"] for call in server.calls] == [
        "Bearer gate", "Bearer gate", basic("me", KEY), basic("me", KEY)]
    assert [query_of(call).get("api_key") for call in server.calls] == [[KEY], [KEY], None, None]


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    path = tmp_path / "netrc"
    path.write_text("default login intruder password theirs\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    assert requests.utils.get_netrc_auth(CLOUD) == ("intruder", "theirs")


@pytest.mark.usefixtures("netrc")
def test_netrc_neither_replaces_the_key_nor_adds_one(server):
    for client in (APIKeyAuthClient(CLOUD, KEY), AuthAPIClient(CLOUD, KEY), APIKeyAuthClient(UNCERTAIN, KEY),
                   NoAuthClient(CLOUD)):
        client.send("api/v2/sql", "get")
        client.send("api/v2/sql", "post", json={"not": "the short way"})
    sent = [call.request.headers.get("Authorization") for call in server.calls]
    assert sent == [basic("me", KEY)] * 4 + [None] * 4


def test_two_clients_share_a_session(server):
    session = requests.Session()
    APIKeyAuthClient(CLOUD, "key one", session=session).send("api/v2/sql", "get")
    AuthAPIClient(CLOUD, "key two", session=session).send("api/v2/sql", "get")
    NoAuthClient(CLOUD, session).send("api/v2/sql", "get")
    assert [call.request.headers.get("Authorization") for call in server.calls] == [
        basic("me", "key one"), basic("me", "key two"), None]
    assert session.auth is None
    assert "Authorization" not in session.headers


def test_key_and_name_beyond_ascii(server):
    APIKeyAuthClient(CLOUD, "schlüssel€", username="jörg").send("api/v2/sql", "get")
    assert server.calls[0].request.headers["Authorization"] == basic("jörg", "schlüssel€")


def test_the_non_verified_client_verifies_nothing_and_the_others_do(server, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    seen = []
    session = requests.Session()
    original = session.send
    session.send = lambda request, **settings: (seen.append(settings["verify"]), original(request, **settings))[1]
    NonVerifiedAPIKeyAuthClient(CLOUD, KEY, session=session).send("api/v2/sql", "get")
    APIKeyAuthClient(CLOUD, KEY, session=session).send("api/v2/sql", "get")
    assert seen == [False, True]


# --- what is overridden is called


def test_an_overridden_prepare_send_is_called(server):
    class Mine(APIKeyAuthClient):
        def prepare_send(self, http_method, **requests_args):
            method, args = super().prepare_send(http_method, **requests_args)
            args["headers"]["X-Mine"] = "yes"
            return method, args

    class OnItsOwn(APIKeyAuthClient):
        def prepare_send(self, http_method, **requests_args):
            return http_method, {**requests_args, "headers": {"X-Mine": "only"}}

    Mine(CLOUD, KEY).send("api/v2/sql", "get")
    send_with(OnItsOwn(CLOUD, KEY), "api/v2/sql", "get", api_key_in="query", idempotent=True)
    assert [call.request.headers["X-Mine"] for call in server.calls] == ["yes", "only"]


@pytest.mark.parametrize(("asked", "expected"), [
    ({}, 30), ({"timeout": 3}, 3), ({"timeout": None}, None), ({"timeout": timeouts.SQL}, 30)])
def test_an_overridden_prepare_send_may_add_a_timeout(server, asked, expected):
    class Patient(APIKeyAuthClient):
        def prepare_send(self, http_method, **requests_args):
            method, args = super().prepare_send(http_method, **requests_args)
            return method, {**args, "timeout": 30, "idempotent": True}

    client = Patient(CLOUD, KEY, timeout=99)
    with mock.patch.object(client._sender, "send", wraps=client._sender.send) as sender:
        client.send("api/v2/sql", "get", **asked)
    assert sender.call_args.kwargs["timeout"] == expected
    assert sender.call_args.kwargs["idempotent"] is True


def test_an_overridden_send_is_called_without_options_it_does_not_know(server):
    class Mine(APIKeyAuthClient):
        calls = ()

        def send(self, relative_path, http_method, **requests_args):
            self.calls += ((relative_path, http_method, tuple(requests_args)),)
            return super().send(relative_path, http_method, **requests_args)

    client = Mine(CLOUD, KEY)
    response = send_with(client, "api/v2/sql", "get", timeout=3, idempotent=True, api_key_in="query", params={"a": "b"})
    assert response.status_code == 200
    assert client.calls == (("api/v2/sql", "get", ("params",)),)


class Wrapping(APIKeyAuthClient):
    """Passes calls on as scripts do that count or log them, after one of its own."""

    def send(self, relative_path, http_method, **requests_args):
        super().send("api/v2/sql", "put")
        return super().send(relative_path, http_method, **requests_args)


def test_options_go_past_an_overridden_send(server):
    client = Wrapping(UNCERTAIN, KEY, api_key_in="header")
    with mock.patch.object(client._sender, "send", wraps=client._sender.send) as sender:
        send_with(client, "api/v2/sql", "GET", timeout=3, idempotent=True, api_key_in="query")
        client.send("api/v2/sql", "get")
    assert [(call.kwargs["timeout"], call.kwargs["idempotent"]) for call in sender.call_args_list] == [
        (UNSET, False), (3, True), (UNSET, False), (UNSET, False)]
    assert ["api_key" in query_of(call) for call in server.calls] == [False, True, False, False]


def test_what_an_overridden_send_gives_itself_goes_before(server):
    class Hasty(APIKeyAuthClient):
        def send(self, relative_path, http_method, **requests_args):
            return super().send(relative_path, http_method, timeout=1, api_key_in="header", **requests_args)

    client = Hasty(CLOUD, KEY)
    with mock.patch.object(client._sender, "send", wraps=client._sender.send) as sender:
        send_with(client, "api/v2/sql", "get", timeout=3, api_key_in="query")
    assert sender.call_args.kwargs["timeout"] == 1
    assert "api_key" not in query_of(server.calls[0])


def test_options_are_for_the_client_that_was_asked(server):
    plain = APIKeyAuthClient(CLOUD, KEY)

    class Asking(APIKeyAuthClient):
        def send(self, relative_path, http_method, **requests_args):
            send_with(plain, "api/v2/sql", "get")
            plain.send("api/v2/sql", "get")
            raise CartoConnectionException("gone")

    client = Asking(CLOUD, KEY)
    with (mock.patch.object(plain._sender, "send", wraps=plain._sender.send) as sender,
          pytest.raises(CartoConnectionException)):
        send_with(client, "api/v2/sql", "get", timeout=3, idempotent=True)
    assert [call.kwargs["timeout"] for call in sender.call_args_list] == [UNSET, UNSET]


def test_an_overridden_send_that_failed_leaves_nothing_behind(server):
    client = Wrapping(CLOUD, KEY)
    with mock.patch.object(client._sender, "send", side_effect=requests.ConnectionError) as sender:
        with pytest.raises(CartoConnectionException):
            send_with(client, "api/v2/sql", "put", timeout=3)
        with pytest.raises(requests.ConnectionError):
            client.send("api/v2/sql", "put")
    assert [call.kwargs["timeout"] for call in sender.call_args_list] == [3, UNSET]


def test_options_reach_a_client_of_ours(server):
    client = APIKeyAuthClient(CLOUD, KEY)
    with mock.patch.object(client._sender, "send", wraps=client._sender.send) as sender:
        send_with(client, "api/v2/sql", "get", timeout=3, idempotent=True, api_key_in="query")
    assert sender.call_args.kwargs["timeout"] == 3
    assert sender.call_args.kwargs["idempotent"] is True
    assert "api_key" in query_of(server.calls[0])


@pytest.mark.parametrize("cls", [NoAuthClient, AuthAPIClient])
def test_clients_that_have_no_choice_of_place_ignore_it(server, cls):
    client = cls(CLOUD) if cls is NoAuthClient else cls(CLOUD, KEY)
    send_with(client, "api/v2/sql", "get", api_key_in="query")
    assert "api_key" not in query_of(server.calls[0])


def test_pyrestclis_clients_and_plain_objects_work(server):
    own = pyrestcli.auth.NoAuthClient(CLOUD)
    assert send_with(own, "api/v2/sql", "get", timeout=1, idempotent=True, api_key_in="query").status_code == 200
    basic_client = pyrestcli.auth.BasicAuthClient("u", "p", CLOUD)
    assert send_with(basic_client, "api/v2/sql", "get", timeout=1).status_code == 200
    seen = []
    plain = SimpleNamespace(send=lambda path, method, **args: seen.append((path, method, args)))
    send_with(plain, "api/v2/sql", "post", timeout=1, data={"q": "1"})
    assert seen == [("api/v2/sql", "post", {"data": {"q": "1"}})]
    mocked = mock.Mock(spec=APIKeyAuthClient)
    send_with(mocked, "api/v2/sql", "get")
    mocked.send.assert_called_once()


def test_transport_failures_of_other_clients_are_ours(server):
    server.add("GET", f"{CLOUD}broken", body=requests.ConnectionError("no way to /broken?api_key=SECRET"))
    with pytest.raises(CartoConnectionException) as caught:
        send_with(pyrestcli.auth.NoAuthClient(CLOUD), "broken", "get")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.args[0]
    assert caught.value.__context__ is None


# --- reading answers


def test_data_of_calls_the_clients_own_reader(server):
    class Mine(APIKeyAuthClient):
        def get_response_data(self, response, parse_json=True):
            return ["mine", parse_json]

    response = Mine(CLOUD, KEY).send("api/v2/sql", "get")
    assert data_of(Mine(CLOUD, KEY), response, parse_json=False) == ["mine", False]
    assert data_of(SimpleNamespace(send=None), response) == {}
    assert data_of(pyrestcli.auth.NoAuthClient(CLOUD), response) == {}


def test_a_reader_that_raises_pyrestclis_errors_gives_ours(server):
    class Mine(pyrestcli.auth.BaseAuthClient):
        def get_response_data(self, response, parse_json=True):
            return super().get_response_data(response, parse_json)

    class Strict(pyrestcli.auth.BaseAuthClient):
        def get_response_data(self, response, parse_json=True):
            response.raise_for_status()

    server.add("GET", f"{CLOUD}gone", json={"errors": "gone"}, status=404)
    for cls in (Mine, Strict):
        client = cls(CLOUD)
        with pytest.raises(CartoNotFoundException, match="gone") as caught:
            data_of(client, client.send("gone?api_key=SECRET", "get"))
        assert isinstance(caught.value, pyrestcli.exceptions.NotFoundException)
        assert "SECRET" not in repr(vars(caught.value.__cause__))
        assert caught.value.__context__ is None


@pytest.mark.parametrize(("status", "body", "parse_json", "expected"), [
    (200, b'{"a": 1}', True, {"a": 1}), (200, b"", True, None), (200, b"", False, b""), (204, b"", True, None),
    (204, b"", False, None), (200, b"csv", False, b"csv"), (201, b"[]", True, []), (200, b"null", True, None),
])
def test_get_response_data(server, status, body, parse_json, expected):
    server.add("GET", f"{CLOUD}x", body=body, status=status)
    client = APIKeyAuthClient(CLOUD, KEY)
    assert client.get_response_data(client.send("x", "get"), parse_json) == expected


@pytest.mark.parametrize("body", ["<html>login</html>", "User deleted", '{"a": ', "[" * 100_000])
def test_a_success_that_is_no_json(server, body):
    server.add("GET", f"{CLOUD}x", body=body)
    client = APIKeyAuthClient(CLOUD, KEY)
    with pytest.raises(CartoInvalidResponseException):
        client.get_response_data(client.send("x", "get"))


def test_every_status_but_a_rate_limit_is_returned_by_send(server):
    client = APIKeyAuthClient(CLOUD, KEY)
    for status in (204, 304, 400, 401, 403, 404, 410, 422, 429, 500, 502, 503):
        server.add("GET", f"{CLOUD}s{status}", status=status)
        assert client.send(f"s{status}", "get").status_code == status


# --- is_valid_api_key


@pytest.mark.parametrize(("status", "answer", "expected"), [
    (200, {"result": [{"token": "other"}, {"token": KEY}]}, True), (200, {"result": [{"token": "other"}]}, False),
    (200, {"result": []}, False), (200, {}, False), (200, [], False), (200, {"result": ["text"]}, False),
    (401, {"errors": "no"}, False), (403, {}, False),
])
def test_is_valid_api_key(server, status, answer, expected):
    server.add("GET", f"{CLOUD}api/v3/api_keys", json=answer, status=status)
    assert AuthAPIClient(CLOUD, KEY).is_valid_api_key() is expected
    assert server.calls[0].request.headers["Authorization"] == basic("me", KEY)


@pytest.mark.parametrize(("status", "error"), [
    (500, CartoServerException), (404, CartoNotFoundException), (408, CartoResponseException),
    (429, CartoLimitException)])
def test_another_failure_does_not_make_a_key_invalid(server, status, error):
    server.add("GET", f"{CLOUD}api/v3/api_keys", status=status, body="<html>oops</html>")
    with pytest.raises(error):
        AuthAPIClient(CLOUD, KEY, retries=0).is_valid_api_key()


# --- paths


@pytest.mark.parametrize("path", ["api/v2/sql", "/api/v2/sql", f"{CLOUD}api/v2/sql", "https://ME.carto.com/api/v2/sql"])
def test_a_path_is_below_base_url_with_or_without_a_slash(server, path):
    assert APIKeyAuthClient(CLOUD, KEY).send(path, "get").status_code == 200


def test_a_leading_slash_keeps_the_path_of_base_url():
    with responses.RequestsMock() as server:
        server.add("GET", "https://org.carto.com/user/me/api/v1/viz/", json={})
        APIKeyAuthClient("https://org.carto.com/u/me", KEY).send("/api/v1/viz/", "get")


@pytest.mark.parametrize("path", [
    "https://evil.example/", "http://me.carto.com/x", "//evil.example/x", "///evil.example/x", "//me.carto.com/x",
    "https://me.carto.com:444/x", "https://me.carto.com@evil.example/", "https://evil.example\\@me.carto.com/",
    "https://evil.example/?api_key=SECRET", "ftp://me.carto.com/x", "/https://me.carto.com/x", "https://[::1/",
    "https://me.carto.com:port/",
])
def test_nothing_leaves_the_origin(path):
    client = APIKeyAuthClient(CLOUD, KEY)
    with responses.RequestsMock() as server:
        with pytest.raises(CartoUsageException, match="another host") as caught:
            client.send(path, "get")
        assert len(server.calls) == 0
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(("call", "problem"), [
    (lambda: SQLClient(None).send("SELECT 1"), r"APIKeyAuthClient\(.*\), not NoneType"),
    (lambda: SQLClient(CLOUD).send("SELECT 1"), r"APIKeyAuthClient\(.*\), not str"),
    (lambda: NamedMapManager(CLOUD).all(), r"APIKeyAuthClient\(.*\), not str"),
    (lambda: NamedMapManager(None).all(), "this NamedMapManager has no client to send with"),
])
def test_what_is_no_client_is_said_to_be_none(call, problem):
    with pytest.raises(CartoUsageException, match=problem):
        call()


# --- objects


@pytest.mark.parametrize("client", [APIKeyAuthClient(CLOUD, KEY), AuthAPIClient(CLOUD, KEY), NoAuthClient(CLOUD),
                                    NonVerifiedAPIKeyAuthClient(CLOUD, KEY)], ids=lambda it: type(it).__name__)
def test_clients_are_copied_by_reference_and_never_pickled(client):
    assert copy.copy(client) is client
    assert copy.deepcopy({"client": client})["client"] is client
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="can't be pickled"):
            pickle.dumps(client, protocol)


def test_repr_says_who_without_the_key():
    text = repr(APIKeyAuthClient(CLOUD, KEY))
    assert text == f"APIKeyAuthClient('{CLOUD}', api_key='***')"
    assert repr(NoAuthClient(CLOUD)) == f"NoAuthClient('{CLOUD}')"


def test_with_closes_a_session_of_ones_own_only():
    with APIKeyAuthClient(CLOUD, KEY) as client, mock.patch.object(client.session, "close") as close:
        pass
    assert not close.called  # patched away before the client was left
    theirs = mock.Mock(spec=requests.Session)
    with APIKeyAuthClient(CLOUD, KEY, session=theirs):
        pass
    assert not theirs.close.called
    own = NoAuthClient(CLOUD)
    own.session = mock.Mock(spec=requests.Session)
    with own as entered:
        assert entered is own
    own.session.close.assert_called_once_with()
