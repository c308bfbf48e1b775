"""Datasets, maps and permissions over a real socket: their forms, their errors, and what becomes of their tables."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import Json, RailsClient, words

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = str(uuid.UUID(int=1))
ACCOUNTS = [
    {"name": name, "keys": [{"type": "master", "token": name}, {"type": "regular", "name": "r", "token": f"{name}_r"}]}
    for name in ("alice", "bob")
]
LOST_DATABASE = "postgresql://127.0.0.1:9/nowhere"
LOST = {"name": "lost", "database_url": LOST_DATABASE, "keys": [{"type": "master", "token": "lost"}]}

PRIVATE_KEYS = words(
    "id name display_name map_id active_layer_id type tags description privacy created_at updated_at locked source "
    "title license attributions kind external_source url version prev_id next_id parent_id transition_options "
    "active_child children synchronization uses_builder_features liked permission stats auth_tokens table"
)
PUBLIC_KEYS = words(
    "id name display_name attributions source license type tags description created_at updated_at title kind privacy "
    "liked permission stats auth_tokens table"
)
TABLE_KEYS = words("id name geometry_types privacy updated_at synchronization size row_count permission")
OWNER_KEYS = words(
    "id name last_name username email avatar_url website description location twitter_username disqus_shortname "
    "available_for_hire base_url google_maps_query_string quota_in_bytes table_count viewer role_display org_admin "
    "public_visualization_count all_visualization_count org_user remove_logo"
)
PUBLIC_USER_KEYS = words(
    "id username name last_name avatar_url base_url google_maps_query_string disqus_shortname viewer org_admin "
    "org_user remove_logo"
)


@pytest.fixture(scope="module")
def alice() -> Iterator[RailsClient]:
    with Sandbox(accounts=[*ACCOUNTS, LOST]) as running:
        yield RailsClient(running.base_url, "alice")


@pytest.fixture
def bob(alice: RailsClient) -> RailsClient:
    return RailsClient(alice.base_url.replace("alice", "bob"), "bob")


def listed(alice: RailsClient, name: str, key: str | None = "", **params: Any) -> Json:
    found = alice.json("GET", "v1/viz", key, params={"types": "table,derived", "per_page": 1000, **params})
    return next(each for each in found["visualizations"] if each["name"] == name)


def refusal(alice: RailsClient, method: str, path: str, key: str | None = "", **arguments: Any) -> tuple[int, Any]:
    response = alice.call(method, path, key, **arguments)
    return response.status_code, response.json() if response.content else None


# ---- what SQL makes is there


def test_a_cartodbfied_table_is_a_dataset(alice: RailsClient) -> None:
    name = alice.new_table()
    form = listed(alice, name)
    assert form["type"] == "table"
    assert form["table"]["geometry_types"] == ["ST_Point"]
    assert UUID.fullmatch(form["id"])
    assert form["url"] == f"{alice.base_url}tables/{name}"


def test_a_table_that_is_not_cartodbfied_is_none(alice: RailsClient) -> None:
    alice.sql("CREATE TABLE plain (a int)")
    assert "plain" not in alice.names(type="table")


def test_renaming_and_dropping_by_sql_is_noticed(alice: RailsClient) -> None:
    name = alice.new_table()
    before = alice.dataset(name)
    alice.sql(f"ALTER TABLE {name} RENAME TO {name}_renamed")
    assert alice.dataset(f"{name}_renamed")["id"] == before["id"]
    alice.sql(f"DROP TABLE {name}_renamed")
    assert alice.call("GET", f"v1/viz/{before['id']}").status_code == 404


def test_writing_a_table_anew_keeps_its_record(alice: RailsClient) -> None:
    name = alice.new_table()
    before = alice.change(alice.dataset(name), description="kept")
    alice.sql(f"DROP TABLE {name}; CREATE TABLE {name} (y int)")
    alice.sql(f"SELECT CDB_CartodbfyTable('public', '{name}')")
    after = alice.dataset(name)
    assert (after["id"], after["table"]["id"], after["description"]) == (before["id"], before["table"]["id"], "kept")


def test_a_table_that_the_public_may_read_becomes_a_public_dataset(alice: RailsClient) -> None:
    name = f"t_{uuid.uuid4().hex[:8]}"
    alice.sql(f"CREATE TABLE {name} (x int); GRANT SELECT ON {name} TO publicuser")
    alice.sql(f"SELECT CDB_CartodbfyTable('public', '{name}')")
    assert alice.dataset(name)["privacy"] == "PUBLIC"


def test_a_table_of_an_odd_name(alice: RailsClient) -> None:
    odd = 'Half "of" 100%'
    quoted = '"Half ""of"" 100%"'
    alice.sql(f"CREATE TABLE {quoted} (x int)")
    alice.sql(f"SELECT CDB_CartodbfyTable('public', '{quoted}')")
    form = listed(alice, odd, type="table")
    assert alice.change(form, privacy="PUBLIC")["name"] == odd
    assert alice.sql(f"SELECT count(*) FROM {quoted}", None) == [{"count": 0}]
    assert alice.json("GET", f"v1/tables/{form['table']['id']}")["rows_counted"] == 0
    assert alice.change(form, name="even")["name"] == "even"
    assert alice.call("DELETE", f"v1/viz/{form['id']}").status_code == 204


def test_geometry_types_follow_the_rows(alice: RailsClient) -> None:
    name = f"t_{uuid.uuid4().hex[:8]}"
    alice.sql(f"CREATE TABLE {name} (x int)")
    alice.sql(f"SELECT CDB_CartodbfyTable('public', '{name}')")
    assert alice.dataset(name)["table"]["geometry_types"] == []
    alice.sql(f"INSERT INTO {name} (the_geom) VALUES (ST_GeomFromText('LINESTRING(0 0, 1 1)', 4326))")
    assert alice.dataset(name)["table"]["geometry_types"] == ["ST_LineString"]


def test_the_account_can_neither_read_nor_drop_the_records(alice: RailsClient) -> None:
    for query in (
        "SELECT * FROM carto_sandbox.visualizations",
        "UPDATE carto_sandbox.visualizations SET privacy = 'PUBLIC'",
        "DROP SCHEMA carto_sandbox CASCADE",
        "SELECT carto_sandbox.follow_tables()",
        "CREATE TABLE carto_sandbox.mine (a int)",
    ):
        answer = alice.call("POST", "v2/sql", data={"q": query}).json()
        assert re.search("permission denied|must be owner", answer["error"][0]), answer


def test_many_readers_at_once_see_the_same(alice: RailsClient) -> None:
    names = [alice.new_table() for _ in range(10)]
    orders = ("name", "updated_at", "size", "privacy")
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda number: _types_of(alice, names, orders[number % 4]), range(24)))
    assert seen == [{name: ["ST_Point"] for name in names}] * 24


def _types_of(alice: RailsClient, names: list[str], order: str) -> dict[str, list[str]]:
    found = alice.json("GET", "v1/viz", params={"type": "table", "per_page": 1000, "order": order})["visualizations"]
    return {each["name"]: each["table"]["geometry_types"] for each in found if each["name"] in names}


def test_all_survives_a_restart_with_a_data_directory(data_dir: Path) -> None:
    with Sandbox(accounts=ACCOUNTS, data_dir=data_dir) as first:
        alice = RailsClient(first.base_url, "alice")
        name = alice.new_table()
        before = alice.change(alice.dataset(name), tags=["kept"], privacy="LINK")
    with Sandbox(accounts=ACCOUNTS, data_dir=data_dir) as second:
        after = listed(RailsClient(second.base_url, "alice"), name)
    assert (after["id"], after["tags"], after["privacy"]) == (before["id"], ["kept"], "LINK")


# ---- the list


def test_the_forms_have_exactly_the_keys_of_the_api(alice: RailsClient) -> None:
    name = alice.new_table()
    form = listed(alice, name)
    assert sorted(form) == sorted(PRIVATE_KEYS)
    assert sorted(form["table"]) == sorted(TABLE_KEYS)
    assert sorted(form["permission"]) == sorted(words("id owner entity acl created_at updated_at"))
    assert sorted(form["permission"]["owner"]) == sorted(OWNER_KEYS)
    assert form["permission"]["entity"] == {"id": form["id"], "type": "vis"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", form["updated_at"])
    assert len(form["stats"]) == 30
    assert set(form["stats"].values()) == {0}
    assert len(form["auth_tokens"][0]) == 22


def test_strangers_see_the_public_forms_of_public_items(alice: RailsClient) -> None:
    private, public = alice.new_table(), alice.new_table()
    alice.change(alice.dataset(public), privacy="PUBLIC")
    for key in (None, "wrong", "alice_r"):
        envelope = alice.json("GET", "v1/viz", key, params={"type": "table", "per_page": 1000})
        assert sorted(envelope) == ["total_entries", "visualizations"]
        forms = {each["name"]: each for each in envelope["visualizations"]}
        assert private not in forms
        form = forms[public]
        assert sorted(form) == sorted(PUBLIC_KEYS)
        assert sorted(form["permission"]) == ["id", "owner"]
        assert sorted(form["permission"]["owner"]) == sorted(PUBLIC_USER_KEYS)
        assert form["table"]["name"] == f"public.{public}"


def test_pages_and_totals(bob: RailsClient) -> None:
    names = sorted(bob.new_table() for _ in range(5))
    bob.change(bob.dataset(names[0]), locked=True)
    params = {"type": "table", "order": "name", "order_direction": "asc", "per_page": 2}
    pages = [bob.json("GET", "v1/viz", params={**params, "page": page}) for page in (1, 2, 3, 4)]
    assert [[each["name"] for each in page["visualizations"]] for page in pages] == [
        names[:2], names[2:4], names[4:], [],
    ]  # fmt: skip
    totals = {"total_entries": 5, "total_user_entries": 5, "total_locked": 1, "total_likes": 0, "total_shared": 0}
    assert {key: pages[0][key] for key in totals} == totals
    assert "total_locked" not in bob.json("GET", "v1/viz", params={"load_totals": "false"})
    assert bob.json("GET", "v1/viz", params={"load_do_totals": "true"})["total_samples"] == 0
    assert bob.names(type="table", locked="true") == names[:1]
    assert bob.names(type="table", locked="false", order="name", order_direction="asc") == names[1:]
    assert bob.names(type="derived") == bob.names() == []


def test_filters(alice: RailsClient) -> None:
    one, other = alice.new_table(), alice.new_table()
    alice.change(alice.dataset(one), tags=["rivers", "very_wet"], description="Where the boats are", privacy="LINK")
    assert alice.names(type="table", q="boat") == [one], "by the stem of a word"
    assert alice.names(type="table", q=one[3:9]) == [one], "by a part of the name"
    assert alice.names(type="table", q="very_wet") == [one]
    assert alice.names(type="table", q="r_vers") == [], "no wildcard"
    assert alice.names(type="table", tags="rivers,very_wet") == [one]
    assert alice.names(type="table", tags="very_wet,rivers") == [], "tags match in their order"
    assert alice.names(type="table", privacy="link", q=one) == [one]
    assert alice.names(type="table", privacy="LINK") == []
    assert other in alice.names(type="table", exclude_shared="true", shared="no")
    assert alice.names(type="table", shared="only") == alice.names(type="table", only_shared="true") == []
    assert alice.names(types="table,slide", q=one) == [one]
    assert alice.names(type="nonsense") == []


def test_orders(alice: RailsClient) -> None:
    small, large = alice.new_table(), alice.new_table()
    alice.sql(f"INSERT INTO {large} (x) SELECT generate_series(1, 5000); ANALYZE {large}; ANALYZE {small}")
    alice.new_map(small)

    def both(**params: Any) -> list[str]:
        return [name for name in alice.names(type="table", **params) if name in (small, large)]

    assert both(order="size") == both(order="estimated_row_count") == [large, small]
    assert both(order="dependent_visualizations") == both(order="size", order_direction="asc") == [small, large]
    alice.change(alice.dataset(small), tags=[])
    assert both() == both(order="updated_at") == [small, large]
    assert both(order="privacy,name", order_direction="asc,asc") == sorted([small, large])
    assert listed(alice, large)["table"]["row_count"] == 5002


def test_a_rectangle_finds_the_datasets_in_it(alice: RailsClient) -> None:
    name = alice.new_table()
    assert name in alice.names(type="table", bbox="-4,39,-2,41")
    assert name not in alice.names(type="table", bbox="100,10,110,20")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"page": "0"}, "Wrong 'page' parameter value."),
        ({"page": "x"}, "Wrong 'page' parameter value."),
        ({"per_page": "-1"}, "Wrong 'per_page' parameter value."),
        ({"bbox": "1,2,3,4"}, "Filter by bbox is only supported for type table"),
        (
            {"order": "colour"},
            "Wrong 'order' parameter value. Valid values are one of [name, updated_at, size, mapviews, favorited, "
            "estimated_row_count, privacy, dependent_visualizations]",
        ),
    ],
)
def test_wrong_parameters_of_the_list(alice: RailsClient, params: Json, message: str) -> None:
    assert refusal(alice, "GET", "v1/viz", params=params) == (400, {"error": message})


def test_the_list_of_nobody(alice: RailsClient) -> None:
    nobody = RailsClient(alice.base_url.replace("alice", "nobody"), "alice")
    assert refusal(nobody, "GET", "v1/viz") == (400, {"error": "Wrong 'username' parameter value."})
    assert refusal(nobody, "GET", "v1/viz/x") == (404, None)


def test_an_account_whose_database_is_away(alice: RailsClient) -> None:
    lost = RailsClient(alice.base_url.replace("alice", "lost"), "lost")
    assert refusal(lost, "GET", "v1/viz") == (500, {"error": "cannot connect to the database"})
    assert refusal(lost, "GET", "v1/viz/x") == refusal(lost, "GET", "v1/tables/x") == (500, None)


def test_answers_as_scripts(alice: RailsClient) -> None:
    response = alice.call("GET", "v1/viz", params={"type": "slide", "callback": "show_$1"})
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.text.startswith('/**/show_$1({"visualizations":[]')
    assert refusal(alice, "GET", "v1/viz", params={"callback": "alert(1)"}) == (
        400, {"errors": {"callback": "Invalid callback format"}},
    )  # fmt: skip


def test_computed_orders_stand_alone(alice: RailsClient) -> None:
    assert alice.call("GET", "v1/viz", params={"order": "size,name"}).status_code == 400


def test_pieces_can_be_left_out(alice: RailsClient) -> None:
    name = alice.new_table()
    off = ["liked", "permission", "auth_tokens", "table", "synchronization", "uses_builder_features"]
    form = listed(alice, name, **{f"show_{piece}": "false" for piece in [*off, "stats"]})
    assert sorted(form) == sorted(set(PRIVATE_KEYS) - set(off) | {"auth_tokens"})
    assert form["stats"] == {}
    assert "row_count" not in listed(alice, name, show_table_size_and_row_count="false")["table"]


# ---- one


def test_one_shows_less_unless_asked(alice: RailsClient) -> None:
    name = alice.new_table()
    form = alice.dataset(name)
    assert sorted(form) == sorted({*PRIVATE_KEYS, "related_tables"} - {"liked", "permission"})
    assert form["stats"] == {}
    assert len(form["auth_tokens"]) == 1
    assert "permission" not in form["table"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", form["created_at"])
    asked = alice.dataset(name, show_stats="true", show_permission="true", show_liked="true", fetch_user="true")
    assert len(asked["stats"]) == 30
    assert asked["liked"] is False
    assert asked["user"] == asked["permission"]["owner"]


def test_all_the_ways_to_name_one(alice: RailsClient) -> None:
    name = alice.new_table()
    form = alice.dataset(name)
    for path in (form["id"], f"{name}/", f"{name}.json", f"public.{name}", f"public.{form['id']}"):
        assert alice.dataset(path)["id"] == form["id"]
    under_u = RailsClient(alice.base_url.replace("/user/", "/u/"), "alice")
    assert under_u.dataset(name)["id"] == form["id"]


def test_a_dataset_wins_over_a_map_of_its_name(alice: RailsClient) -> None:
    name = alice.new_table()
    made = alice.new_map(name, name=name)
    assert made["name"] == name
    assert alice.dataset(name)["type"] == "table"


def test_nobody_else_sees_what_is_private(alice: RailsClient, bob: RailsClient) -> None:
    name = alice.new_table()
    form = alice.dataset(name)
    not_viewable = {"errors": "Visualization not viewable", "errors_cause": None}
    assert refusal(alice, "GET", f"v1/viz/{name}", None) == (403, not_viewable)
    assert refusal(bob, "GET", f"v1/viz/{form['id']}") == (
        404, {"errors": "Visualization of that user does not exist", "errors_cause": None},
    )  # fmt: skip
    for wanted in (NOBODY, "nothing"):
        assert refusal(alice, "GET", f"v1/viz/{wanted}") == (
            404, {"errors": "Visualization does not exist", "errors_cause": None},
        )  # fmt: skip


def test_who_has_the_link_sees_the_public_form(alice: RailsClient) -> None:
    name = alice.new_table()
    form = alice.change(alice.dataset(name), privacy="link")
    assert form["privacy"] == "LINK"
    assert form["table"]["privacy"] == "PUBLIC"
    seen = alice.json("GET", f"v1/viz/{name}", None)
    assert "map_id" not in seen
    assert seen["privacy"] == "LINK"
    assert name not in alice.names(None, type="table")


def test_a_password_opens_a_map(alice: RailsClient) -> None:
    made = alice.new_map(alice.new_table())
    path = f"v1/viz/{made['id']}"
    body = {"id": made["id"], "privacy": "PASSWORD"}
    required = {"errors": ["Password required for protected visualization"]}
    assert refusal(alice, "PUT", path, json=body) == (400, required)
    alice.change(made, privacy="PASSWORD", password="s3cret")
    for params in ({}, {"password": "wrong"}):
        status, answer = refusal(alice, "GET", path, None, params=params)
        assert status == 403
        assert answer == {
            "errors": "Visualization not viewable",
            "errors_cause": "privacy_password",
            "visualization": {"privacy": "password", "user": {"google_maps_query_string": None}},
        }
    seen = alice.json("GET", path, None, params={"password": "s3cret"})
    assert len(seen["auth_tokens"][0]) == 64
    alice.change(made, privacy="LINK")
    assert refusal(alice, "PUT", path, json=body) == (400, required), "the password was forgotten"


# ---- changes


def test_renaming_a_dataset_renames_its_table(alice: RailsClient) -> None:
    name = alice.new_table()
    form = alice.dataset(name)
    assert alice.change(form, name=f"New Name of {name}")["name"] == f"new_name_of_{name}"
    assert len(alice.sql(f"SELECT * FROM new_name_of_{name}")) == 2
    other = alice.new_table()
    assert alice.change(form, name=other)["name"] == f"{other}_1", "the name was taken"
    assert alice.change(form, name="9 lives")["name"].startswith("table_9_lives")
    assert alice.change(form, name="select")["name"].startswith("select_t")


def test_privacy_opens_and_closes_the_table(alice: RailsClient) -> None:
    name = alice.new_table()
    form = alice.dataset(name)
    count = {"q": f"SELECT count(*) FROM {name}"}
    for privacy, status in (("PUBLIC", 200), ("private", 403), ("LINK", 200), ("PRIVATE", 403)):
        assert alice.change(form, privacy=privacy)["privacy"] == privacy.upper()
        assert alice.call("POST", "v2/sql", None, data=count).status_code == status, privacy


def test_only_what_was_sent_changes(alice: RailsClient) -> None:
    form = alice.dataset(alice.new_table())
    first = {"description": "d", "tags": ["a", "b"], "attributions": "me", "display_name": "Shown", "license": "mit"}
    assert alice.change(form, **first).items() >= first.items()
    changed = alice.change(form, description=None, tags=None, permission={"acl": []}, nonsense=1, type="derived")
    assert changed.items() >= {**first, "description": None, "tags": [], "type": "table"}.items()
    assert changed["updated_at"] > changed["created_at"]


def test_refused_changes(alice: RailsClient) -> None:
    form = alice.dataset(alice.new_table())
    path = f"v1/viz/{form['id']}"
    assert refusal(alice, "PUT", path, json={"description": "x"}) == (403, None)
    assert refusal(alice, "PUT", path, data=b"no json") == (403, None)
    assert refusal(alice, "PUT", f"v1/viz/{form['name']}", json={"id": form["name"]}) == (403, None)
    not_included = {"errors": ["Privacy is not included in the list"]}
    assert refusal(alice, "PUT", path, json={"id": form["id"], "privacy": "secret"}) == (403, not_included)
    protected = {"id": form["id"], "privacy": "password", "password": "x"}
    assert refusal(alice, "PUT", path, json=protected) == (400, {"errors": ["Error updating"]})
    status, answer = refusal(alice, "PUT", path, json={"id": form["id"], "active_layer_id": "no uuid"})
    assert (status, len(answer["errors"])) == (400, 1)
    assert alice.dataset(form["name"])["privacy"] == "PRIVATE"


@pytest.mark.parametrize("key", [None, "wrong", "alice_r", "default_public"])
def test_only_the_master_key_changes_anything(alice: RailsClient, key: str | None) -> None:
    form = alice.dataset(alice.new_table())
    assert refusal(alice, "PUT", f"v1/viz/{form['id']}", key, json={"id": form["id"]}) == (401, None)
    assert refusal(alice, "DELETE", f"v1/viz/{form['id']}", key) == (401, None)
    assert refusal(alice, "POST", "v1/viz", key, json={"name": "x"}) == (401, None)
    assert refusal(alice, "PUT", f"v1/perm/{NOBODY}", key, json={"acl": []}) == (401, None)
    assert refusal(alice, "GET", f"v1/tables/{form['name']}", key) == (401, None)


def test_the_key_may_come_in_the_body_or_as_basic(alice: RailsClient) -> None:
    form = alice.dataset(alice.new_table())
    body = {"id": form["id"], "api_key": "alice", "description": "by body"}
    assert alice.json("PUT", f"v1/viz/{form['id']}", None, json=body)["description"] == "by body"
    read = f"v1/viz/{form['id']}"
    assert alice.call("GET", read, None, auth=("alice", "alice")).status_code == 200
    assert alice.call("GET", read, auth=("bob", "alice")).status_code == 403, "no falling back to the parameter"


# ---- maps


def test_a_map_over_tables(alice: RailsClient) -> None:
    first, second = alice.new_table(), alice.new_table()
    alice.change(alice.dataset(first), privacy="LINK")
    made = alice.new_map(first, alice.dataset(second)["table"]["id"], name="Both", privacy="PUBLIC", tags=["t"])
    assert (made["type"], made["privacy"], made["tags"]) == ("derived", "PRIVATE", ["t"]), "the privacy is blended"
    assert sorted(each["name"] for each in made["related_tables"]) == sorted([first, second])
    assert made["table"] == {}
    assert made["url"] == f"{alice.base_url}viz/{made['id']}/map"
    assert sorted(made) == sorted([*PRIVATE_KEYS, "related_tables"])
    assert alice.new_map(first, name="Both")["name"] == "Both 1"
    assert alice.new_map(first)["name"].startswith("Untitled map")


def test_copies_and_bare_records(alice: RailsClient) -> None:
    name = alice.new_table()
    of_dataset = alice.json("POST", "v1/viz", json={"source_visualization_id": alice.dataset(name)["id"]})
    assert (of_dataset["type"], of_dataset["name"]) == ("derived", name)
    copy = alice.json("POST", "v1/viz", json={"source_visualization_id": of_dataset["id"]})
    assert copy["id"] != of_dataset["id"]
    assert [each["name"] for each in copy["related_tables"]] == [name]
    bare = alice.json("POST", "v1/viz", json={"name": "bare", "description": "nothing in it"})
    assert (bare["privacy"], bare["description"], bare["related_tables"]) == ("LINK", "nothing in it", [])


@pytest.mark.parametrize(
    "arguments",
    [{"data": b"{"}, {"data": b""}, {"json": {"tables": ["missing"]}}, {"json": {"source_visualization_id": NOBODY}}],
)
def test_when_nothing_is_built_the_errors_are_null(alice: RailsClient, arguments: Json) -> None:
    assert refusal(alice, "POST", "v1/viz", **arguments) == (400, {"errors": None})


def test_dependent_maps_are_told(alice: RailsClient) -> None:
    name = alice.new_table()
    assert "dependent_visualizations" not in alice.dataset(name)
    maps = [alice.new_map(name, name=f"map {number} of {name}") for number in range(3)]
    form = alice.dataset(name, with_dependent_visualizations=2)
    assert form["dependent_visualizations_count"] == 3
    assert [each["id"] for each in form["dependent_visualizations"]] == [maps[2]["id"], maps[1]["id"]]
    assert sorted(form["dependent_visualizations"][0]) == ["auth_tokens", "id", "name", "permission", "updated_at"]
    in_list = listed(alice, name, with_dependent_visualizations=10)
    assert len(in_list["dependent_visualizations"]) == 3


def test_deleting_a_dataset_takes_table_and_lonely_maps(alice: RailsClient) -> None:
    doomed, kept = alice.new_table(), alice.new_table()
    lonely, shared = alice.new_map(doomed), alice.new_map(doomed, kept)
    form = alice.dataset(doomed)
    assert refusal(alice, "DELETE", f"v1/viz/{form['id']}") == (204, None)
    assert alice.call("GET", f"v1/viz/{lonely['id']}").status_code == 404
    assert [each["name"] for each in alice.dataset(shared["id"])["related_tables"]] == [kept]
    assert alice.call("POST", "v2/sql", data={"q": f"SELECT 1 FROM {doomed}"}).status_code == 400
    assert refusal(alice, "DELETE", f"v1/viz/{form['id']}")[0] == 404


def test_dropping_a_table_by_sql_takes_lonely_maps(alice: RailsClient) -> None:
    name = alice.new_table()
    lonely = alice.new_map(name)
    alice.sql(f"DROP TABLE {name}")
    assert alice.call("GET", f"v1/viz/{lonely['id']}").status_code == 404


def test_a_table_that_a_view_needs_stays(alice: RailsClient) -> None:
    name = alice.new_table()
    alice.sql(f"CREATE VIEW {name}_view AS SELECT * FROM {name}")
    status, answer = refusal(alice, "DELETE", f"v1/viz/{name}")
    assert status == 400
    assert "other objects depend on it" in answer["errors"][0]
    assert alice.dataset(name)["name"] == name


# ---- permissions


def test_permissions_are_replaced(alice: RailsClient, bob: RailsClient) -> None:
    name = alice.new_table()
    permission = alice.dataset(name, show_permission="true")["permission"]
    bob_id = bob.json("GET", "v1/viz/" + bob.new_table(), params={"fetch_user": "true"})["user"]["id"]
    entry = {"type": "user", "entity": {"id": bob_id}, "access": "r"}
    changed = alice.json("PUT", f"v1/perm/{permission['id']}", json={"acl": [entry]})
    assert sorted(changed) == sorted(permission)
    assert changed["owner"]["groups"] == []
    shown = changed["acl"][0]
    assert (shown["type"], shown["access"], shown["entity"]["username"]) == ("user", "r", "bob")
    assert sorted(shown["entity"]) == sorted(PUBLIC_USER_KEYS)
    assert shown["entity"]["base_url"] == bob.base_url.rstrip("/")
    assert alice.json("PUT", f"v1/perm/{permission['id']}", json={"acl": [{**entry, "access": "n"}]})["acl"] == []


def test_refused_permissions(alice: RailsClient) -> None:
    permission = alice.dataset(alice.new_table(), show_permission="true")["permission"]
    for unknown in (NOBODY, "no-uuid"):
        assert refusal(alice, "PUT", f"v1/perm/{unknown}", json={"acl": []}) == (404, None)
    user = {"type": "user", "entity": {"id": permission["owner"]["id"]}, "access": "r"}
    for entry in ({**user, "type": "dog"}, {**user, "access": "x"}, {"type": "user", "access": "r"}, "text"):
        assert refusal(alice, "PUT", f"v1/perm/{permission['id']}", json={"acl": [entry]}) == (400, None)
