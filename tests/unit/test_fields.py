"""Fields: null everywhere, dates in every form of the servers, nested resources built when touched."""

from datetime import datetime, timedelta, timezone

import pytest

from carto import fields
from carto.api_keys import Grants
from carto.exceptions import CartoUsageException
from carto.fields import (
    Base64EncodedField,
    CharField,
    DateTimeField,
    DictField,
    GrantsField,
    PasswordAndPrivacyFields,
    ResourceField,
    parse_datetime,
)
from carto.resources import Resource

MOMENT = datetime(2018, 11, 5, 13, 29, 52, tzinfo=timezone.utc)


class Owner(Resource):
    username = CharField()
    id = CharField()


class OwnerField(ResourceField):
    value_class = f"{__name__}.Owner"


class Thing(Resource):
    id = CharField()
    created_at = DateTimeField()
    days = DateTimeField(many=True)
    owner = OwnerField()
    owners = OwnerField(many=True)
    stats = DictField()
    data = Base64EncodedField()
    password = PasswordAndPrivacyFields()
    privacy = CharField()
    grants = GrantsField()


@pytest.fixture
def thing():
    return Thing(object())


@pytest.mark.parametrize(("text", "moment"), [
    ("2018-11-05T13:29:52Z", MOMENT),
    ("2018-11-05T13:29:52.197Z", MOMENT + timedelta(milliseconds=197)),
    ("2018-11-05T13:29:52+00:00", MOMENT),
    ("2018-11-05T14:29:52+01:00", MOMENT),
    ("2018-11-05 13:29:52 UTC", MOMENT),
    ("2018-11-05 13:29:52 +0000", MOMENT),
    ("2018-11-05T13:29:52", MOMENT),
    ("2018-11-05", datetime(2018, 11, 5, tzinfo=timezone.utc)),
])
def test_dates_in_every_form_are_aware(text, moment):
    assert parse_datetime(text) == moment
    assert parse_datetime(text).tzinfo is not None


def test_what_is_no_date_is_an_error():
    with pytest.raises(ValueError, match="neither"):
        parse_datetime("neither")


def test_dates_are_parsed_once_and_only_when_touched(thing, monkeypatch):
    calls = []
    monkeypatch.setattr(fields, "parse_datetime", lambda text: calls.append(text) or MOMENT)
    thing.update_from_dict({"created_at": "x", "days": ["y", None, "z"]})
    assert calls == []
    assert thing.created_at == thing.created_at == MOMENT
    assert thing.days == thing.days == [MOMENT, None, MOMENT]
    assert calls == ["x", "y", "z"]


def test_a_datetime_stays_what_it_is(thing):
    thing.created_at = MOMENT
    assert thing.created_at is MOMENT


@pytest.mark.parametrize("name", Thing.fields)
def test_D36_D37_null_is_none_in_every_field(thing, name):
    thing.update_from_dict({name: None})
    assert getattr(thing, name) is None


def test_a_field_never_set_is_none_and_a_class_has_the_field(thing):
    assert thing.owner is None
    assert isinstance(Thing.owner, OwnerField)


def test_nested_resources_come_from_objects_and_from_ids(thing):
    thing.update_from_dict({"owner": {"id": "1", "username": "ann"}, "owners": ["2", {"id": "3"}, None]})
    assert (thing.owner.username, thing.owner.client) == ("ann", thing.client)
    assert thing.owner is thing.owner
    assert [each and each.id for each in thing.owners] == ["2", "3", None]


def test_a_list_may_mix_resources_and_objects(thing):
    owner = Owner(thing.client, id="7")
    thing.owners = [owner, {"id": "8"}, "9", None]
    assert thing.owners[0] is owner
    assert [each and each.id for each in thing.owners] == ["7", "8", "9", None]


@pytest.mark.parametrize(("answer", "apis", "names", "services"), [
    ([{"type": "apis", "apis": ["sql"]}, {"type": "database", "tables": [{"name": "a"}], "schemas": []},
      {"type": "dataservices", "services": ["routing"]}], ["sql"], ["a"], ["routing"]),
    ([{"type": "apis", "apis": []}, {"type": "data-observatory", "datasets": []}], [], None, None),
    ([], None, None, None),
    ({"apis": ["maps"], "tables": []}, ["maps"], [], None),
])
def test_grants_come_as_a_list_with_an_object_for_each_kind(thing, answer, apis, names, services):
    thing.update_from_dict({"grants": answer})
    grants = thing.grants
    assert (type(grants), grants.apis, grants.services) == (Grants, apis, services)
    assert (grants.tables and [table.name for table in grants.tables]) == names
    assert thing.grants is grants


def test_a_resource_can_be_assigned(thing):
    owner = Owner(thing.client, id="7")
    thing.owner = owner
    assert thing.owner is owner


def test_stats_keep_their_counts(thing):
    thing.update_from_dict({"stats": {"2020-02-05": 3}})
    assert thing.stats == {"2020-02-05": 3}


@pytest.mark.parametrize(("value", "stored"), [("<p>ñ</p>", "PHA+w7E8L3A+"), (None, ""), (3, ""), ("", "")])
def test_base64(thing, value, stored):
    thing.data = value
    assert thing.data == stored


def test_half_a_character_is_no_text(thing):
    with pytest.raises(CartoUsageException, match=r"data can't be .* half a surrogate pair at position 3"):
        thing.data = "<p>\ud800</p>"


@pytest.mark.parametrize(("value", "password", "privacy"), [
    ("s3cret", "s3cret", "password"), ("", None, "public"), (None, None, "public"),
])
def test_a_password_carries_the_privacy(thing, value, password, privacy):
    thing.password = value
    assert (thing.password, thing.privacy) == (password, privacy)


@pytest.mark.parametrize("value", [1234, b"1234", 0, ["1234"]])
def test_what_is_no_password_does_not_make_public(thing, value):
    thing.password = "s3cret"
    with pytest.raises(CartoUsageException, match=f"password must be a text, .* not {type(value).__name__}$"):
        thing.password = value
    assert (thing.password, thing.privacy) == ("s3cret", "password")


def test_D45_an_answer_with_privacy_and_no_password_keeps_its_privacy(thing):
    thing.update_from_dict({"privacy": "password", "password": None})
    assert thing.privacy == "password"
    thing.update_from_dict({"password": None, "privacy": "link"})
    assert thing.privacy == "link"
